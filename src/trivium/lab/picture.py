"""Pictures: the loss curve of a run, drawn from its `metrics.jsonl`, and the confusion matrix of a classification.

Numbers go in, a PNG comes out. A run that is still going can be drawn.
"""

import io
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trivium.base.errors import DataError
from trivium.base.files import writing
from trivium.base.log import figures, warn
from trivium.lab.page import replaceable

FEW = 20
"""The most labels for which a confusion matrix shows its counts."""
KEPT = ("tokens", "all_seconds", "norm", "lr", "memory")
"""What a curve takes of the lines of training beside their losses."""
SPAN = 0.02
"""The width of the smoothing, as a share of the run."""

UNITS = ((1e9, " billion"), (1e6, " million"))

_POINTS: dict[str, Any] = {"linestyle": "--", "linewidth": 0.9, "marker": "o", "markersize": 4.5, "mfc": "white"}
_NOTE: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right"}
_NOTE |= {"va": "bottom", "fontsize": 8, "color": "0.3"}


@dataclass(slots=True)
class Curve:
    """Training and validation loss in nats per token, against the step."""

    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    valid_steps: list[int] = field(default_factory=list)
    valid_losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    """Seconds of all steps; 0 where the metrics do not say."""
    norms: list[float] = field(default_factory=list)
    """The norm of the gradient before clipping, at each of `steps`; not a number where it was not kept."""
    lrs: list[float] = field(default_factory=list)
    """The learning rate at each of `steps`."""
    rates: list[float] = field(default_factory=list)
    """Tokens a second since the step before in `steps`, at each but the first."""
    memory: list[float] = field(default_factory=list)
    """MiB that the first process held at each of `steps`; not a number where it was not kept."""
    samples: dict[int, list[str]] = field(default_factory=dict)
    """What the model wrote after each prompt, by the step of the evaluation."""


def read(path: str | Path) -> Curve:
    """Read a metrics file, without a half-written last line and without losses that are not finite.

    Steps that a resumed run took a second time replace the first ones. Raises DataError for a file or line that cannot
    be read.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read metrics: {getattr(error, 'strerror', None) or error}") from error
    train: dict[int, dict[str, Any]] = {}
    valid: dict[int, float] = {}
    samples: dict[int, list[str]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            step = int(row["step"])
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            found = f"expected a JSON object with a step, found {line[:60]!r}"
            raise DataError(f"{path}: line {number}: {found}") from error
        if _finite(row.get("loss")):
            train[step] = row
        if _finite(row.get("valid_loss")):
            valid[step] = row["valid_loss"]
        if isinstance(texts := row.get("valid_samples"), list):
            samples[step] = [str(text) for text in texts]
    steps = sorted(train)
    kept = {key: [train[step].get(key) for step in steps] for key in KEPT}
    tokens, times = ([value or 0 for value in kept[key]] for key in ("tokens", "all_seconds"))
    norms, lrs = ([math.nan if value is None else value for value in kept[key]] for key in ("norm", "lr"))
    memory = [value / 2**20 if value else math.nan for value in kept["memory"]]
    return Curve(
        steps,
        [train[step]["loss"] for step in steps],
        [int(count) for count in tokens],
        sorted(valid),
        [valid[step] for step in sorted(valid)],
        times[-1] if times else 0.0,
        norms,
        lrs,
        [
            float(more / took) if took > 0 else math.nan
            for more, took in zip(np.diff(tokens), np.diff(times), strict=True)
        ],
        memory,
        dict(sorted(samples.items())),
    )


def smooth(losses: Sequence[float], span: int) -> np.ndarray:
    """Average each loss [N] with up to `span` neighbours on either side.

    The first windows shrink on both sides, so the steep beginning is followed; the last ones reach back in full.
    """
    total = np.concatenate([[0.0], np.cumsum(losses)])
    index = np.arange(len(losses))
    back = np.minimum(index, span)
    ahead = np.minimum(back, index[::-1])
    return (total[index + ahead + 1] - total[index - back]) / (back + ahead + 1)


def smoothed(curve: Curve) -> np.ndarray:
    """Return the training losses of a curve, smoothed over `SPAN` of the run."""
    return smooth(curve.losses, max(1, round(SPAN * len(curve.losses))))


def loss_curve(metrics: Path, out: Path, floors: Mapping[str, float] | None = None, title: str = "") -> None:
    """Draw the training and validation loss of a run, and floors as level lines, into a PNG.

    `floors` names losses in nats per token, such as that of a trigram model. Raises DataError if there is no loss to
    draw yet.
    """
    loss_panels({title: [metrics]}, out, floors)


def loss_panels(groups: Mapping[str, Sequence[Path]], out: Path, floors: Mapping[str, float] | None = None) -> None:
    """Draw the losses of groups of runs into a PNG: a panel with its own scale for each group, under its title.

    Losses of different targets are of different groups. Raises DataError if there is no loss to draw yet.
    """
    curves = {title: [(path.parent.name, read(path)) for path in paths] for title, paths in groups.items()}
    if not any(one.steps or one.valid_steps for group in curves.values() for _, one in group):
        paths = [str(path) for group in groups.values() for path in group]
        raise DataError(f"{', '.join(paths)}: no loss to draw yet")
    figure = blank(8, 4.8 if len(groups) == 1 else 3.4 * len(groups))
    for axes, (title, group) in zip(figure.subplots(len(groups), squeeze=False)[:, 0], curves.items(), strict=True):
        draw_losses(axes, group, floors or {}, title)
    save(figure, out)


def draw_losses(
    axes: Any, curves: Sequence[tuple[str, Curve]], floors: Mapping[str, float] | None = None, title: str = ""
) -> None:
    """Draw the losses of runs on one scale; where there are several, their names are in the legend."""
    from matplotlib.ticker import MaxNLocator

    for number, (run, curve) in enumerate(curves):
        name = f"{run}: " if len(curves) > 1 else ""
        color = f"C{number}"
        if curve.steps:
            axes.plot(curve.steps, curve.losses, color=color, alpha=0.25, linewidth=0.7)
            axes.plot(curve.steps, smoothed(curve), color=color, linewidth=1.6, label=f"{name}training")
        if curve.valid_steps:
            label = f"{name}validation ({curve.valid_losses[-1]:.2f} at the end)"
            axes.plot(curve.valid_steps, curve.valid_losses, color=color, label=label, **_POINTS)
    levels = floors or {}
    for number, (name, loss) in enumerate(sorted(levels.items(), key=lambda item: item[1])):
        axes.axhline(loss, color="0.45", linewidth=0.9, linestyle=":")
        # Neighbours are written side by side, so that two floors of nearly the same height can be read.
        axes.annotate(f"{name} {loss:.2f}", (1, loss), xytext=(-4 - 110 * (number % 2), 1), **_NOTE)
    every = [curve for _, curve in curves]
    axes.set_ylim(*_window(every, levels))
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel=_steps_label(every), ylabel="loss (nats per token)", title=title)
    finish(axes)
    axes.legend(frameon=False, fontsize="medium" if len(curves) < 3 else "small")


def confusion(found: Mapping[str, Any], out: Path) -> Path | None:
    """Draw the `confusion` of a task's metrics, if there is one: rows are true labels, columns predicted ones.

    Colours are shares of a row, so rare labels are visible too; small tables also show the counts.
    """
    if "confusion" not in found:
        return None
    counts, names = (
        np.array(found["confusion"]),
        [f"{name[:21]}..." if len(name) > 24 else name for name in found["labels"]],
    )
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    many = len(names) > FEW
    side, size = min(14.0, 3.2 + (0.09 if many else 0.6) * len(names)), 4 if many else 9
    figure = blank(side + 1, side)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    slant: dict[str, Any] = {"rotation": 90} if many else {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(names)), names, fontsize=size, **slant)
    axes.set_yticks(range(len(counts)), names[: len(counts)], fontsize=size)
    if not many:
        for i, j in np.ndindex(counts.shape):
            axes.text(j, i, str(counts[i, j]), ha="center", va="center", color="w" if shares[i, j] > 0.5 else "0.2")
    title = f"{found['rows']:,} texts, accuracy {found['accuracy']:.3f}"
    axes.set(xlabel="predicted label", ylabel="true label", title=title)
    figure.colorbar(image, label="share of the row", shrink=0.8)
    save(figure, out)
    return out


def blank(width: float, height: float, dpi: int = 150) -> Any:
    """Return an empty matplotlib figure; sizes are in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, layout="constrained")


def finish(axes: Any) -> None:
    """Give axes a light grid, and no frame at the top and right."""
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def png(figure: Any) -> bytes:
    """Return a matplotlib figure as the bytes of a PNG. Its texts are drawn as they are, in fonts that have them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    texts = figure.findobj(Text)
    families = fonts("".join(text.get_text() for text in texts))
    for text in texts:
        text.set(fontfamily=families, parse_math=False)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # `fonts` has said so in one line
        FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def fonts(text: str) -> list[str]:
    """Return the families that draw a text: the usual one, and installed ones that have what it lacks.

    Warn where no installed font has some characters.
    """
    from matplotlib import font_manager, ft2font

    usual = font_manager.FontProperties()
    families = [usual.get_name()]
    missing = {char for char in text if char.isprintable()} - _letters(font_manager.findfont(usual))
    while missing:
        has = {path: missing & _letters(path) for path in sorted(font_manager.findSystemFonts())}
        best = max(has, key=lambda path: len(has[path]), default=None)
        if best is None or not has[best]:
            shown = "".join(sorted(missing)[:8])
            warn(
                f"no installed font has {len(missing)} of the characters of a picture ({shown}); they are drawn as "
                "boxes; install one that has them, such as Noto Sans CJK"
            )
            break
        font_manager.fontManager.addfont(best)
        families.append(ft2font.FT2Font(best).family_name)
        missing -= has[best]
    return families


def _letters(path: str) -> set[str]:
    """Return the characters that a font file has; none where it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return {chr(code) for code in FT2Font(path).get_charmap()}
    except (OSError, RuntimeError):
        return set()


def save(figure: Any, out: str | Path) -> None:
    """Write a figure as a PNG file, whole or not at all; raise TriviumError where `out` is something else."""
    replaceable(Path(out), b"\x89PNG")
    with writing(out) as handle:
        handle.write(png(figure))


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _window(curves: Sequence[Curve], floors: Mapping[str, float]) -> tuple[float, float]:
    """Return bounds that show everything but the rarest spikes."""
    losses = np.concatenate([np.asarray(part, dtype=float) for c in curves for part in (c.losses, c.valid_losses)])
    low, high = min([losses.min(), *floors.values()]), max([np.quantile(losses, 0.995), *floors.values()])
    margin = 0.04 * (high - low) or 0.1
    return low - margin, high + 2 * margin


def _steps_label(curves: Sequence[Curve]) -> str:
    tokens = max((curve.tokens[-1] for curve in curves if curve.tokens), default=0)
    if not tokens:
        return "optimizer step"
    size, unit = next((pair for pair in UNITS if tokens >= pair[0]), (1, ""))
    return f"optimizer step ({figures(tokens / size)}{unit} tokens in all)"
