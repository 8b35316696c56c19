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
from trivium.lab.heatmap import STYLE, heatmap, maps
from trivium.lab.picture import blank, png
from trivium.lab.piece import visible
from trivium.model.attention.kernel import Case, Eager
from trivium.model.attention.using import using
from trivium.model.attention.view import View

HELD = 0.9
"""The share of the weight whose pairs are counted."""
SINK = 0.3
"""A head is an attention sink where the first position has more of its weight (Gu et al. 2024, arXiv:2410.10781)."""
LONGEST, LABELLED = 64, 32
"""The most tokens that are shown, and the most that heat maps name."""
CROSS = ", to the encoder"
"""The end of the name of a cross-attention sublayer."""


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
    def crosses(self) -> bool:
        """Whether the keys are those of the encoder beside a decoder."""
        return self.name.endswith(CROSS)

    @property
    def shares(self) -> list[str]:
        """For each head, the share of the allowed pairs that hold `HELD` of its weight; last, of an even head."""
        return [f"{held(head, self.mask):.0%}" for head in (*self.weight, even(self.mask))]

    @property
    def sinks(self) -> list[str]:
        """For each head, the share of its weight on the first position; last, of an even head. See `sink`."""
        return [f"{sink(head, self.mask):.0%}" for head in (*self.weight, even(self.mask))]


def look(model: api.Model, text: str, target: str | None = None) -> list[AttentionMap]:
    """Return the map of every attention sublayer on a text.

    A decoder beside an encoder reads the target, or what it writes itself where there is none.
    """
    tokenizer, config = model.tokenizer, model.config
    ids = model.encode(text)[: min(LONGEST, config.context, config.limit or LONGEST)]
    written: list[int] = []
    if config.family == "encoder_decoder":
        new = tokenizer.encode(target) if target else model.generate([ids], max_new_tokens=len(ids))[0]
        written = [model.layout().start, *new][:LONGEST]
    recorders: dict[str, Recorder] = defaultdict(Recorder)
    with using(model.transformer, recorders.__getitem__):
        model.hidden([ids], decoder_input_ids=[written] if written else None)
    names = {"encoder": [visible(tokenizer, index) for index in ids]}
    names["decoder"] = [visible(tokenizer, index) for index in written or ids]
    layers = []
    for name, recorder in recorders.items():
        stack, _, number, part = name.split(".")
        cross = part == "cross"
        weight, view = recorder.seen[0]
        angle = None
        if not cross and view.rotation is not None:
            cos, sin = (table[0, 0, :, : table.shape[-1] // 2].cpu() for table in view.rotation)  # T P
            angle = torch.atan2(sin, cos)
        title = f"{stack}, layer {int(number) + 1}" + (CROSS if cross else "")
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


def sink(weight: Float[Tensor, "T S"], mask: Bool[Tensor, "T S"]) -> float:
    """Return the mean weight on the first key, over the queries that see it beside others; 0 without such a query."""
    free = mask[:, 0] & (mask.sum(-1) > 1)
    return float(weight[free, 0].double().mean()) if free.any() else 0.0


def by_row(weight: Float[Tensor, "T S"], mask: Bool[Tensor, "T S"]) -> Float[Tensor, "T S"]:
    """Return weights divided by the greatest one of their row; pairs that the mask leaves out are not numbers."""
    scaled = weight / weight.amax(-1, keepdim=True).clamp(min=1e-12)
    return scaled.masked_fill(~mask, math.nan)


def lines(layers: Sequence[AttentionMap]) -> Iterator[str]:
    """Yield the sparsity and the sink of each head as text."""
    yield f"share of the allowed pairs that hold {HELD:.0%} of the weight, by head; last, of a head with equal weights"
    for layer, line in zip(layers, columns(_by_head(layers, "shares")), strict=True):
        yield f"{line}  {layer.pattern}"
    yield "share of the weight on the first position, by head; last, of a head with equal weights"
    yield from columns(_by_head(layers, "sinks"))
    yield sinking(layers)


def _by_head(layers: Sequence[AttentionMap], what: str) -> list[list[str]]:
    """Return a row for each layer: its name, the number of each head, that of an even head."""
    heads = max(len(layer.weight) for layer in layers)
    rows = [(layer, getattr(layer, what)) for layer in layers]
    return [[layer.name, *found[:-1], *[""] * (heads - len(layer.weight)), found[-1]] for layer, found in rows]


def write(layers: Sequence[AttentionMap], title: str, out: Path) -> None:
    """Write the page: tokens, masks, the sparsity of each head, heat maps, angles."""
    parts = [_tokens, _masks, _sparsity, _sink, _weights, _angles]
    page.write(out, title, [STYLE, *(text for part in parts for text in part(layers))])


def _tokens(layers: Sequence[AttentionMap]) -> Iterator[str]:
    yield page.heading("Tokens")
    for stack, tokens in {layer.name.split(",")[0]: layer.queries for layer in layers}.items():
        yield page.paragraph(f"{stack}:")
        yield page.pieces(tokens)


def _masks(layers: Sequence[AttentionMap]) -> Iterator[str]:
    yield page.heading("Attention masks")
    yield page.paragraph("A row for each query, filled at the keys that it sees.")
    masks: dict[Any, AttentionMap] = {}
    for layer in layers:
        masks.setdefault((layer.pattern, layer.mask.shape, layer.mask.numpy().tobytes()), layer)
    yield maps(
        [
            _map(one, one.mask.float().masked_fill(~one.mask, math.nan) / 2, "Greys", _title(one))
            for one in masks.values()
        ]
    )


def _title(layer: AttentionMap) -> str:
    return f"{layer.name.split(',')[0]}: {layer.pattern}, {layer.mask.float().mean():.0%} of pairs"


def _sparsity(layers: Sequence[AttentionMap]) -> Iterator[str]:
    yield page.heading("Sparsity of the weights")
    yield page.paragraph(
        f"The smallest share of the allowed pairs that holds {HELD:.0%} of all weight. The last column is a head with "
        "equal weights: a share far below it comes from training, not from the mask."
    )
    yield page.table(_header(layers), _by_head(layers, "shares"))


def _sink(layers: Sequence[AttentionMap]) -> Iterator[str]:
    yield page.heading("Weight on the first position")
    yield page.paragraph(
        "The mean share of a query's weight that the first token takes. A head that finds nothing to read often leaves "
        "its weight there: an attention sink (Xiao et al. 2023, arXiv:2309.17453). The last column is a head with "
        f"equal weights. {sinking(layers)}"
    )
    yield page.table(_header(layers), _by_head(layers, "sinks"))


def sinking(layers: Sequence[AttentionMap]) -> str:
    """Return a sentence that names the heads whose weight is on the first position: more than `SINK`, and than even."""
    found = []
    for layer in layers:
        least = max(SINK, sink(even(layer.mask), layer.mask))
        heads = [at for at, head in enumerate(layer.weight, start=1) if sink(head, layer.mask) > least]
        if heads:
            found.append(f"{layer.name}: {'heads' if heads[1:] else 'head'} {', '.join(map(str, heads))}")
    if not found:
        return f"No head here is a sink: none gives its first position more than {SINK:.0%}."
    return f"Sinks, which give it more than {SINK:.0%}, are {'; '.join(found)}."


def _header(layers: Sequence[AttentionMap]) -> list[str]:
    heads = max(len(layer.weight) for layer in layers)
    return ["layer, by head", *(str(head + 1) for head in range(heads)), "even"]


def _weights(layers: Sequence[AttentionMap]) -> Iterator[str]:
    for number, layer in enumerate(layers):
        yield page.heading(layer.name)
        if not number:
            yield page.paragraph(
                "Rows are queries, columns keys. Brighter is more weight; each row has its own scale, from 0 to its "
                "greatest weight. Pairs that the mask leaves out are empty."
            )
        heads = enumerate(zip(layer.weight, layer.shares, layer.sinks, strict=False), start=1)
        drawn = [
            _map(
                layer,
                by_row(head, layer.mask),
                "viridis",
                f"head {at}: {share} of pairs hold {HELD:.0%}, {first} of the weight is on the first position",
            )
            for at, (head, share, first) in heads
        ]
        yield maps(drawn, small=len(layer.keys) > LABELLED)


def _map(layer: AttentionMap, values: Tensor, colours: str, caption: str) -> str:
    """Return a heat map of a layer's pairs, with tokens on the axes that have room for them."""
    rows, columns = (names if len(names) <= LABELLED else () for names in (layer.queries, layer.keys))
    return heatmap(values.numpy(), colours, rows, columns, caption)


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
