"""The loss curve of a run as a picture, drawn from its `metrics.jsonl`, and the confusion matrix of a classification.

This file reads numbers and writes a PNG; it knows nothing of models, and a run that is still going can be drawn.
"""

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trivium.base.errors import DataError
from trivium.base.files import writing

FEW = 20
"""Up to so many labels a confusion matrix shows its counts."""
SPAN = 0.02
"""The width of the smoothing, as a share of the run."""

_POINTS: dict[str, Any] = {"linestyle": "--", "linewidth": 0.9, "marker": "o", "markersize": 4.5, "mfc": "white"}
_NOTE: dict[str, Any] = {
    "xycoords": ("axes fraction", "data"),
    "textcoords": "offset points",
    "ha": "right",
    "va": "bottom",
    "fontsize": 8,
    "color": "0.3",
}


@dataclass(slots=True)
class Curve:
    """Training and validation loss in nats per token, against the step."""

    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    valid_steps: list[int] = field(default_factory=list)
    valid_losses: list[float] = field(default_factory=list)


def read(path: str | Path) -> Curve:
    """Read a metrics file; a half-written last line and losses that are no numbers are left out.

    Steps a resumed run took a second time replace those it took first.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read metrics: {getattr(error, 'strerror', None) or error}") from error
    train: dict[int, dict[str, Any]] = {}
    valid: dict[int, float] = {}
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            step = int(row["step"])
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise DataError(
                f"{path}: line {number}: expected a JSON object with a step, found {line[:60]!r}"
            ) from error
        if _finite(row.get("loss")):
            train[step] = row
        if _finite(row.get("valid_loss")):
            valid[step] = row["valid_loss"]
    steps = sorted(train)
    return Curve(
        steps,
        [train[step]["loss"] for step in steps],
        [int(train[step].get("tokens", 0)) for step in steps],
        sorted(valid),
        [valid[step] for step in sorted(valid)],
    )


def smooth(losses: Sequence[float], span: int) -> np.ndarray:
    """Average each loss with up to `span` neighbours on either side.

    The first windows shrink on both sides, so the steep beginning is followed; the last ones reach back in full.
    """
    total = np.concatenate([[0.0], np.cumsum(losses)])
    index = np.arange(len(losses))
    back = np.minimum(index, span)
    ahead = np.minimum(back, index[::-1])
    return (total[index + ahead + 1] - total[index - back]) / (back + ahead + 1)


def loss_curve(
    metrics: str | Path | Sequence[str | Path],
    out: str | Path,
    floors: Mapping[str, float] | None = None,
    title: str = "",
) -> None:
    """Draw the training and validation loss of one run or several, and floors as level lines, into a PNG.

    `floors` names losses in nats per token, such as that of a trigram model. Several runs are told apart by folder.
    """
    from matplotlib.figure import Figure

    paths = [Path(metrics)] if isinstance(metrics, str | Path) else [Path(path) for path in metrics]
    curves = [read(path) for path in paths]
    if not any(curve.steps or curve.valid_steps for curve in curves):
        raise DataError(f"{', '.join(map(str, paths))}: no loss to draw yet")
    figure = Figure(figsize=(8, 4.8), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for number, (path, curve) in enumerate(zip(paths, curves, strict=True)):
        name = f"{path.parent.name}: " if len(paths) > 1 else ""
        color = f"C{number}"
        if curve.steps:
            span = max(1, round(SPAN * len(curve.losses)))
            axes.plot(curve.steps, curve.losses, color=color, alpha=0.25, linewidth=0.7)
            axes.plot(curve.steps, smooth(curve.losses, span), color=color, linewidth=1.6, label=f"{name}training")
        if curve.valid_steps:
            last = curve.valid_losses[-1]
            label = f"{name}validation ({last:.2f} at the end)"
            axes.plot(curve.valid_steps, curve.valid_losses, color=color, label=label, **_POINTS)
    for number, (name, loss) in enumerate(sorted((floors or {}).items(), key=lambda item: item[1])):
        axes.axhline(loss, color="0.45", linewidth=0.9, linestyle=":")
        # Neighbours stand side by side, so that two floors of nearly the same height can both be read.
        axes.annotate(f"{name} {loss:.2f}", (1, loss), xytext=(-4 - 110 * (number % 2), 1), **_NOTE)
    axes.set_ylim(*_window(curves, floors or {}))
    axes.set_xlim(left=0)
    axes.set_xlabel(_steps_label(curves))
    axes.set_ylabel("loss (nats per token)")
    axes.set_title(title)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if len(paths) > 2:  # too many names to stand among the curves
        figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    else:
        axes.legend(frameon=False)
    with writing(out) as handle:
        handle.write(png(figure))


def confusion(found: Mapping[str, Any], out: Path) -> Path | None:
    """Draw the `confusion` of a task's metrics, where they have one: a row is what texts are, a column what was said.

    Colours are shares of a row, so rare labels are seen as well; counts stand in small tables alone.
    """
    if "confusion" not in found:
        return None
    from matplotlib.figure import Figure

    counts, names = np.array(found["confusion"]), found["labels"]
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    many = len(names) > FEW
    side = min(14.0, 3.2 + (0.09 if many else 0.6) * len(names))
    figure = Figure(figsize=(side + 1, side), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size = 4 if many else 9
    axes.set_xticks(
        range(len(names)),
        [_brief(name) for name in names],
        rotation=90 if many else 35,
        fontsize=size,
        ha="center" if many else "right",
        rotation_mode=None if many else "anchor",
    )
    axes.set_yticks(range(len(counts)), [_brief(name) for name in names[: len(counts)]], fontsize=size)
    if not many:
        for i, j in np.ndindex(counts.shape):
            axes.text(j, i, str(counts[i, j]), ha="center", va="center", color="w" if shares[i, j] > 0.5 else "0.2")
    axes.set_xlabel("what was said")
    axes.set_ylabel("what it is")
    axes.set_title(f"{found['rows']:,} texts, accuracy {found['accuracy']:.3f}")
    figure.colorbar(image, label="share of the row", shrink=0.8)
    with writing(out) as handle:
        handle.write(png(figure))
    return out


def _brief(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:21]}..."


def png(figure: Any) -> bytes:
    """A matplotlib figure as the bytes of a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _window(curves: Sequence[Curve], floors: Mapping[str, float]) -> tuple[float, float]:
    """Bounds that show everything but the rarest spikes."""
    losses = np.concatenate([np.asarray(part, dtype=float) for c in curves for part in (c.losses, c.valid_losses)])
    low, high = min([losses.min(), *floors.values()]), max([np.quantile(losses, 0.995), *floors.values()])
    margin = 0.04 * (high - low) or 0.1
    return low - margin, high + 2 * margin


def _steps_label(curves: Sequence[Curve]) -> str:
    tokens = max((curve.tokens[-1] for curve in curves if curve.tokens), default=0)
    if not tokens:
        return "optimizer step"
    size, unit = (1e9, "billion") if tokens >= 1e9 else (1e6, "million")
    return f"optimizer step ({tokens / size:.3g} {unit} tokens in all)"
