"""Attention maps of a text: the weights of every head, the masks, how few pairs matter, the angles of RoPE.

The eager kernel replaces the model's own for one pass and records its weights; no model code knows about it. Encoder,
decoder and cross-attention are shown alike.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from pydantic import PrivateAttr
from torch import Tensor

from trivium import api
from trivium.base.log import columns, result, say
from trivium.lab import page
from trivium.lab.picture import blank, png
from trivium.model.attention.attention import using
from trivium.model.attention.kernel import Case, Eager
from trivium.model.attention.view import View

HELD = 0.9
"""The share of the weight whose pairs are counted."""
LONGEST, LABELLED = 64, 32
"""The most tokens that are shown, and the most that heat maps name."""


class Recorder(Eager):
    """The eager kernel, which records its views and weights."""

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
    """The rotation of P pairs of dimensions at each position, between -pi and pi; None without RoPE."""

    @property
    def shares(self) -> list[str]:
        """For each head, the share of the allowed pairs that hold `HELD` of its weight; last, of an even head."""
        return [f"{held(head, self.mask):.0%}" for head in (*self.weight, even(self.mask))]


def look(model: api.Model, text: str) -> list[AttentionMap]:
    """Return the map of every attention sublayer on a text; a decoder beside an encoder reads its own output."""
    tokenizer, config = model.tokenizer, model.config
    ids = model.encode(text)[: min(LONGEST, config.context, config.limit or LONGEST)]
    written: list[int] = []
    if config.family == "encoder_decoder":
        written = [model.layout().start, *model.generate([ids], max_new_tokens=len(ids))[0]][:LONGEST]
    recorders: dict[str, Recorder] = defaultdict(Recorder)
    with using(model.transformer, recorders.__getitem__):
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
        title = f"{stack}, layer {int(number) + 1}" + (", to the encoder" if cross else "")
        keys, mask = names["encoder" if cross else stack], view.mask[0, 0].cpu()
        layers.append(AttentionMap(title, names[stack], keys, weight[0], mask, view.pattern.kind, angle))
    return layers


def held(weight: Float[Tensor, "T S"], mask: Bool[Tensor, "T S"], share: float = HELD) -> float:
    """Return the smallest share of the allowed pairs that holds `share` of all weight."""
    values = weight[mask].double().sort(descending=True).values
    enough = values.cumsum(0) >= share * values.sum() - 1e-12
    return (int(enough.int().argmax()) + 1) / len(values)


def even(mask: Bool[Tensor, "T S"]) -> Float[Tensor, "T S"]:
    """Return the weights of a head that gives equal weight to all allowed keys."""
    return mask.float() / mask.sum(-1, keepdim=True).clamp(min=1)


def tell(model: str | Path, text: str, out: Path | None = None) -> None:
    """Print the sparsity of each head of a model folder on a text, and write the page if there is a place for it."""
    layers = look(api.load(model), text)
    for line in lines(layers):
        result(line)
    if out is not None:
        write(layers, f"Attention of {model}: {text}", out)
        say(f"the page is {out}")


def lines(layers: Sequence[AttentionMap]) -> Iterator[str]:
    """Yield the sparsity of each head as text."""
    yield f"share of the allowed pairs that hold {HELD:.0%} of the weight, by head; last, of a head with equal weights"
    for layer, line in zip(layers, columns(_shares(layers)), strict=True):
        yield f"{line}  {layer.pattern}"


def _shares(layers: Sequence[AttentionMap]) -> list[list[str]]:
    """Return a row for each layer: its name, the share of each head, that of an even head."""
    heads = max(len(layer.weight) for layer in layers)
    return [[layer.name, *layer.shares[:-1], *[""] * (heads - len(layer.weight)), layer.shares[-1]] for layer in layers]


def write(layers: Sequence[AttentionMap], title: str, out: Path) -> None:
    """Write the page: tokens, masks, the sparsity of each head, heat maps, angles."""
    page.write(out, title, [*_tokens(layers), *_masks(layers), *_sparsity(layers), *_weights(layers), *_angles(layers)])


def _tokens(layers: Sequence[AttentionMap]) -> Iterator[str]:
    yield page.heading("Tokens")
    for stack, tokens in {layer.name.split(",")[0]: layer.queries for layer in layers}.items():
        yield page.paragraph(f"{stack}:")
        yield page.pieces([_plain(name) for name in tokens])


def _masks(layers: Sequence[AttentionMap]) -> Iterator[str]:
    yield page.heading("Attention masks")
    yield page.paragraph("A row for each query, dark at the keys that it sees.")
    masks: dict[Any, AttentionMap] = {}
    for layer in layers:
        masks.setdefault((layer.pattern, layer.mask.shape, layer.mask.numpy().tobytes()), layer)
    maps = [
        (f"{one.name.split(',')[0]}: {one.pattern}, {one.mask.float().mean():.0%} of pairs", one.mask.float(), one)
        for one in masks.values()
    ]
    yield page.image(_maps(maps, "Greys"), "masks")


def _sparsity(layers: Sequence[AttentionMap]) -> Iterator[str]:
    yield page.heading("Sparsity of the weights")
    yield page.paragraph(
        f"The smallest share of the allowed pairs that holds {HELD:.0%} of all weight. The last column is a head with "
        "equal weights: a share far below it comes from training, not from the mask."
    )
    heads = max(len(layer.weight) for layer in layers)
    yield page.table(["layer, by head", *(str(head + 1) for head in range(heads)), "even"], _shares(layers))
    yield page.paragraph(
        "Rows are queries, columns keys. Brighter is more weight; each map has its own scale. White pairs are masked."
    )


def _weights(layers: Sequence[AttentionMap]) -> Iterator[str]:
    for layer in layers:
        maps = [
            (
                f"head {number + 1}: {layer.shares[number]} of pairs hold {HELD:.0%}",
                head.masked_fill(~layer.mask, math.nan),
                layer,
            )
            for number, head in enumerate(layer.weight)
        ]
        yield page.heading(layer.name)
        yield page.image(_maps(maps, "viridis"), f"attention of {layer.name}")


def _angles(layers: Sequence[AttentionMap]) -> Iterator[str]:
    yield page.heading("Rotations of RoPE")
    angles: dict[bytes, list[AttentionMap]] = {}
    for layer in layers:
        if layer.angle is not None:
            angles.setdefault(layer.angle.numpy().tobytes(), []).append(layer)
    if not angles:
        yield page.paragraph("No layer of this model rotates queries and keys.")
    for same in angles.values():
        yield page.paragraph(
            f"In {'; '.join(layer.name for layer in same)}: the rotation of each pair of dimensions at each position, "
            "in turns of a circle. The first pairs rotate fastest and distinguish neighbours; the last ones hardly "
            "rotate in a text of this length."
        )
        yield page.image(_rotations(same[0]), "angles")


def _maps(maps: Sequence[tuple[str, Tensor, AttentionMap]], colours: str) -> bytes:
    """Draw heat maps side by side, with tokens on their axes where there is room."""
    labelled = max(len(layer.keys) for _, _, layer in maps) <= LABELLED
    across = 2 if labelled else 4  # names need room
    rows, size = math.ceil(len(maps) / across), 10 / across
    figure = blank(10, size * rows, dpi=110)
    grid = figure.subplots(rows, across, squeeze=False).flatten()
    for axes in grid[len(maps) :]:
        axes.set_axis_off()
    for axes, (title, values, layer) in zip(grid, maps, strict=False):
        darkest = 2.5 if colours == "Greys" else None  # a mask of all pairs is not drawn black
        axes.imshow(values.numpy(), cmap=colours, vmin=0, vmax=darkest, aspect="auto", interpolation="nearest")
        axes.set_title(title, fontsize=8 if labelled else 6)
        for axis, names in ((axes.xaxis, layer.keys), (axes.yaxis, layer.queries)):
            if len(names) <= LABELLED:
                axis.set_ticks(range(len(names)), [_plain(name) for name in names], fontsize=7)
            axis.set_tick_params(length=0, labelsize=7)
        axes.tick_params(axis="x", labelrotation=90 if len(layer.keys) <= LABELLED else 0)
    return png(figure)


def _rotations(layer: AttentionMap) -> bytes:
    from matplotlib.ticker import MaxNLocator

    assert layer.angle is not None
    figure = blank(8, 3.4, dpi=130)
    axes, turns = figure.subplots(), (layer.angle / (2 * math.pi)).numpy()
    image = axes.imshow(turns, cmap="twilight", vmin=-0.5, vmax=0.5, aspect="auto", interpolation="nearest")
    axes.set(xlabel="pair of dimensions", ylabel="position")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(image, label="turns")
    return png(figure)


def _plain(token: str) -> str:
    """Return a token for matplotlib and for readers: no mathematics, white space visible."""
    shown = token.replace("$", "\\$").replace("\n", "\u21b5").replace(" ", "\u00b7").replace("\t", "\u21e5")
    return shown if shown.isprintable() else repr(token)[1:-1]
