"""What a model looks at in a text: every head's weights, the pattern's mask, how few pairs matter, RoPE's angles.

The weights are those of the eager kernel, which takes the place of the model's own for one pass; nothing in the model
knows that it is watched. Encoder, decoder and cross-attention are shown alike.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from pydantic import PrivateAttr
from torch import Tensor

from trivium import api
from trivium.lab import page
from trivium.lab.picture import png
from trivium.model.attention.attention import Attention
from trivium.model.attention.kernel import Case, Eager
from trivium.model.attention.view import View
from trivium.model.transformer import Transformer

HELD = 0.9
"""The share of the weight whose pairs are counted."""
LONGEST, LABELLED = 64, 32
"""Tokens that are shown at most, and up to how many of them heat maps name each."""


class Recorder(Eager):
    """The eager kernel, remembering what it was asked and what it made of it."""

    _seen: list[tuple[Tensor, View]] = PrivateAttr(default_factory=list)

    def mix(self, q: Tensor, k: Tensor, v: Tensor, scale: float, case: Case) -> Tensor:
        weight = self.weights(q, k, scale, case).masked_fill(case.view.empty, 0.0)
        self._seen.append((weight.float().cpu(), case.view))
        return super().mix(q, k, v, scale, case)

    @property
    def seen(self) -> list[tuple[Tensor, View]]:
        """(weights [B, H, T, S], view) of every call."""
        return self._seen


class AttentionMap(NamedTuple):
    """One attention sublayer on one text."""

    name: str
    queries: list[str]
    keys: list[str]
    weight: Float[Tensor, "H T S"]
    mask: Bool[Tensor, "T S"]
    pattern: str
    angle: Float[Tensor, "T P"] | None
    """The angle that each position turns each of P pairs of dimensions by, between -pi and pi; None without RoPE."""


@contextmanager
def watched(transformer: Transformer) -> Iterator[dict[str, Recorder]]:
    """Let every attention sublayer record, by its module's name; the kernels come back afterwards."""
    found = {name: part for name, part in transformer.named_modules() if isinstance(part, Attention)}
    own = {name: part.kernel for name, part in found.items()}
    recorders = {name: Recorder() for name in found}
    try:
        for name, part in found.items():
            part.kernel = recorders[name]
        yield recorders
    finally:
        for name, part in found.items():
            part.kernel = own[name]


def look(model: api.Model, text: str) -> list[AttentionMap]:
    """Give what every attention sublayer does with a text; a decoder beside an encoder reads what it would write."""
    tokenizer, config = model.tokenizer, model.config
    ids = model.encode(text)[: min(LONGEST, config.limit or LONGEST)]
    written: list[int] = []
    if config.family == "encoder_decoder":
        written = [model.layout().start, *model.generate([ids], max_new_tokens=len(ids))[0]][:LONGEST]
    with watched(model.transformer) as recorders:
        model.hidden([ids], decoder_input_ids=[written] if written else None)
    names = {"encoder": [tokenizer.token(index) for index in ids]}
    names["decoder"] = [tokenizer.token(index) for index in written or ids]
    layers = []
    for name, recorder in recorders.items():
        stack, _, number, part = name.split(".")
        cross = part == "cross"
        weight, view = recorder.seen[0]
        angle = None
        if not cross and view.rotation is not None:
            cos, sin = (table[0, 0, :, : table.shape[-1] // 2].cpu() for table in view.rotation)  # T P
            angle = torch.atan2(sin, cos)
        layers.append(
            AttentionMap(
                f"{stack}, layer {int(number) + 1}" + (", to the encoder" if cross else ""),
                names[stack],
                names["encoder" if cross else stack],
                weight[0],
                view.mask[0, 0].cpu(),
                view.pattern.kind,
                angle,
            )
        )
    return layers


def held(weight: Float[Tensor, "T S"], mask: Bool[Tensor, "T S"], share: float = HELD) -> float:
    """The smallest share of the allowed pairs that holds this share of all weight."""
    values = weight[mask].double().sort(descending=True).values
    enough = values.cumsum(0) >= share * values.sum() - 1e-12
    return (int(enough.int().argmax()) + 1) / len(values)


def even(mask: Bool[Tensor, "T S"]) -> Float[Tensor, "T S"]:
    """The weights of a head that looks at all it may see alike."""
    return mask.float() / mask.sum(-1, keepdim=True).clamp(min=1)


def lines(layers: Sequence[AttentionMap]) -> Iterator[str]:
    """How sparse each head is, as text."""
    yield f"share of the allowed pairs that hold {HELD:.0%} of the weight, head by head; in brackets, of an even head"
    for layer in layers:
        shares = " ".join(f"{held(head, layer.mask):>4.0%}" for head in layer.weight)
        yield f"{layer.name:<28} {layer.pattern:<8} {shares}  ({held(even(layer.mask), layer.mask):.0%})"


def write(layers: Sequence[AttentionMap], title: str, out: Path) -> None:
    """Write the page: tokens, masks, how sparse each head is, heat maps, angles."""
    parts = [page.heading("Tokens")]
    for stack, tokens in {layer.name.split(",")[0]: layer.queries for layer in layers}.items():
        parts += [page.paragraph(f"{stack}:"), page.pieces([_plain(name) for name in tokens])]
    parts += [page.heading("Who may see whom"), page.paragraph("A row for each query, dark where it sees the key.")]
    masks: dict[Any, AttentionMap] = {}
    for layer in layers:
        masks.setdefault((layer.pattern, layer.mask.shape, layer.mask.numpy().tobytes()), layer)
    parts.append(
        page.image(
            _maps(
                [
                    (
                        f"{layer.name.split(',')[0]}: {layer.pattern}, {layer.mask.float().mean():.0%} of pairs",
                        layer.mask.float(),
                        layer,
                    )
                    for layer in masks.values()
                ],
                "Greys",
            ),
            "masks",
        )
    )
    parts += [
        page.heading("How sparse the weights are"),
        page.paragraph(
            f"The smallest share of the allowed pairs that holds {HELD:.0%} of all weight. The last column is a head "
            "that gives equal weight to all it may see: a share far below it comes from training, not from the mask."
        ),
    ]
    heads = max(len(layer.weight) for layer in layers)
    rows = [
        [
            layer.name,
            *(f"{held(head, layer.mask):.0%}" for head in layer.weight),
            *[""] * (heads - len(layer.weight)),
            f"{held(even(layer.mask), layer.mask):.0%}",
        ]
        for layer in layers
    ]
    parts.append(page.table(["layer, by head", *(str(head + 1) for head in range(heads)), "even"], rows))
    parts.append(
        page.paragraph(
            "Rows are queries, columns are keys. Brighter means more weight; each map has its own scale. White pairs "
            "are masked."
        )
    )
    for layer in layers:
        parts += [
            page.heading(layer.name),
            page.image(
                _maps(
                    [
                        (
                            f"head {number + 1}: {held(head, layer.mask):.0%} of pairs hold {HELD:.0%}",
                            head.masked_fill(~layer.mask, math.nan),
                            layer,
                        )
                        for number, head in enumerate(layer.weight)
                    ],
                    "viridis",
                ),
                f"attention of {layer.name}",
            ),
        ]
    parts.append(page.heading("What RoPE turns"))
    angles: dict[bytes, list[AttentionMap]] = {}
    for layer in layers:
        if layer.angle is not None:
            angles.setdefault(layer.angle.numpy().tobytes(), []).append(layer)
    if not angles:
        parts.append(page.paragraph("No layer of this model turns queries and keys."))
    for same in angles.values():
        parts.append(
            page.paragraph(
                f"In {'; '.join(layer.name for layer in same)}: the angle by which each position turns each pair of "
                "dimensions, in turns of a circle. The first pairs turn fastest and tell neighbours apart; the last "
                "hardly turn in a text of this length."
            )
        )
        parts.append(page.image(_angles(same[0]), "angles"))
    page.write(out, title, parts)


def _maps(maps: Sequence[tuple[str, Tensor, AttentionMap]], colours: str) -> bytes:
    """Heat maps side by side, with the tokens on their axes where there is room."""
    from matplotlib.figure import Figure

    labelled = max(len(layer.keys) for _, _, layer in maps) <= LABELLED
    columns = 2 if labelled else 4  # names need room
    rows, size = math.ceil(len(maps) / columns), 10 / columns
    figure = Figure(figsize=(10, size * rows), dpi=110, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in grid[len(maps) :]:
        axes.set_axis_off()
    for axes, (title, values, layer) in zip(grid, maps, strict=False):
        darkest = 2.5 if colours == "Greys" else None  # a mask that shows everything is no black square
        axes.imshow(values.numpy(), cmap=colours, vmin=0, vmax=darkest, aspect="auto", interpolation="nearest")
        axes.set_title(title, fontsize=8 if labelled else 6)
        for axis, names in ((axes.xaxis, layer.keys), (axes.yaxis, layer.queries)):
            if len(names) <= LABELLED:
                axis.set_ticks(range(len(names)), [_plain(name) for name in names], fontsize=7)
            axis.set_tick_params(length=0, labelsize=7)
        axes.tick_params(axis="x", labelrotation=90 if len(layer.keys) <= LABELLED else 0)
    return png(figure)


def _angles(layer: AttentionMap) -> bytes:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    assert layer.angle is not None
    figure = Figure(figsize=(8, 3.4), dpi=130, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(
        (layer.angle / (2 * math.pi)).numpy(),
        cmap="twilight",
        vmin=-0.5,
        vmax=0.5,
        aspect="auto",
        interpolation="nearest",
    )
    axes.set(xlabel="pair of dimensions", ylabel="position")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(image, label="turns")
    return png(figure)


def _plain(token: str) -> str:
    """A token as matplotlib and a reader can show it: no mathematics, white space visible."""
    shown = token.replace("$", "\\$").replace("\n", "\u21b5").replace(" ", "\u00b7").replace("\t", "\u21e5")
    return shown if shown.isprintable() else repr(token)[1:-1]
