"""Rows of ids become Streams: padded on the left for generation, on the right for reading, or given as tables.

Knows ids only. Every function that takes ids from a person refuses what the model cannot read.
"""

from collections.abc import Iterator, Sequence, Sized
from dataclasses import replace
from math import inf
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from trivium.base.batch import Batch, Stream, collate, stream
from trivium.base.errors import ModelError
from trivium.base.log import watched
from trivium.base.types import Example, Patches
from trivium.model.config import ModelConfig
from trivium.model.device import place
from trivium.model.transformer import Transformer

Ids = Tensor | Sequence[Sequence[int]]
Source = Sequence[int] | Patches
"""What an encoder reads: ids, or a picture."""
NONE = "it reads no pictures; leave the picture out, or take a model with an encoder of patches"
MISSING = "it reads pictures: give one (images=, --image)"


def check(rows: Sequence[Sequence[int]], vocab_size: int, limit: int | None) -> None:
    """Raise ModelError for a row that is empty, longer than `limit` positions, or has an id outside the vocabulary."""
    for r, row in enumerate(rows):
        if not len(row):
            raise ModelError(f"prompt {r} is empty; expected at least one id")
        if limit is not None and len(row) > limit:
            raise ModelError(f"prompt {r} has {len(row)} tokens, but the model has only {limit} positions; shorten it")
        if min(row) < 0 or max(row) >= vocab_size:
            wrong = next(i for i in row if not 0 <= i < vocab_size)
            raise ModelError(f"prompt {r} has the id {wrong}; expected ids from 0 to {vocab_size - 1}")


def check_sources(sources: Sequence[Source | None], prompts: Sequence[Sequence[int]], config: ModelConfig) -> None:
    """Raise ModelError for what the encoder cannot read, and for a picture without as many places in its prompt."""
    embed, token = config.pictures, config.placeholder
    if embed is None:
        return check(cast(Sequence[Sequence[int]], sources), config.vocab_size, config.limit)
    for r, (source, prompt) in enumerate(zip(sources, prompts, strict=True)):
        if not isinstance(source, Patches | None) or (source is None and token is None):
            raise ModelError(f"source {r}: expected a picture, found {type(source).__name__}")
        if source is not None and (why := embed.refuse(source)) is not None:
            raise ModelError(f"picture {r} {why}")
        size = 0 if source is None else len(source)
        if token is not None and (found := list(prompt).count(token)) != size:
            raise ModelError(
                f"prompt {r} has the image token {found} times; expected {size}, the patches of its picture"
            )


def by_length(
    rows: Sequence[Sized], size: float = inf, places: float = inf, label: str = "reading texts"
) -> Iterator[list[int]]:
    """Yield the indices of batches of rows, those of similar length together, so that there is little padding.

    A batch has at most `size` rows and `places` positions, padding included; one row alone may have more. The progress
    of what is done with the batches is shown under `label`.
    """
    parts: list[list[int]] = []
    for at in sorted(range(len(rows)), key=lambda at: len(rows[at])):
        count = len(parts[-1]) + 1 if parts else 1
        if not parts or count > size or count * len(rows[at]) > places:
            parts.append([])
        parts[-1].append(at)
    yield from watched(parts, label, "batches")


def left_padded(rows: Sequence[Sequence[int]], device: torch.device) -> Stream:
    """Return a Stream [B, T] of rows with aligned ends. Padding is document 0, and all given ids are the prefix."""
    width = max(map(len, rows), default=0)
    ids, positions, documents = torch.zeros(3, len(rows), width, dtype=torch.long).unbind()
    for r, row in enumerate(rows):
        start = width - len(row)
        ids[r, start:] = torch.tensor(row)
        positions[r, start:] = torch.arange(len(row))
        documents[r, start:] = 1
    plain = bool((documents == 1).all())
    documents = documents.to(device)
    return Stream(ids.to(device), positions.to(device), documents, plain, prefix=documents > 0)


def sources_padded(rows: Sequence[Source], device: torch.device) -> Stream:
    """Return the Stream that an encoder reads: of ids as `left_padded`, of pictures with aligned beginnings."""
    pictures = [row for row in rows if isinstance(row, Patches)]
    if not pictures:
        return left_padded(cast(Sequence[Sequence[int]], rows), device)
    return place(collate([[Example(enc=one.values, places=one.places)] for one in pictures], pad=0), device).stream


def right_padded(rows: Sequence[Sequence[int]], device: torch.device) -> Stream:
    """Return a Stream [B, T] of rows with aligned beginnings."""
    side = stream([[np.asarray(row)] for row in rows], max(map(len, rows), default=1), pad=0)
    return place(Batch(side, None, {}), device).stream


def tabled(ids: Ids, mask: Ids | None, types: Ids | None, transformer: Transformer) -> Stream:
    """Return a Stream of ids [B, T], an attention mask (1 for tokens, 0 for padding) and token types, as they are.

    As in the stock classes, positions count columns, padding included.
    """
    device, config = transformer.tokens.weight.device, transformer.config
    table = _table(ids, "input_ids", device)
    check(table.tolist(), config.vocab_size, config.limit)
    documents = torch.ones_like(table) if mask is None else _table(mask, "attention_mask", device, table.shape)
    kinds = None if types is None else _table(types, "token_type_ids", device, table.shape)
    positions = torch.arange(table.shape[1], device=device).expand_as(table)
    return Stream(table, positions, (documents != 0).long(), bool((documents != 0).all()), kinds)


def _table(values: Ids, name: str, device: torch.device, shape: torch.Size | None = None) -> Int[Tensor, "B T"]:
    try:
        table = torch.as_tensor(values, dtype=torch.long, device=device)
    except (ValueError, TypeError) as wrong:
        raise ModelError(f"{name}: expected rows of ids of one length: {wrong}") from wrong
    if table.dim() != 2 or not table.numel():
        raise ModelError(f"{name}: expected a table [B, T], found the shape {list(table.shape)}")
    if shape is not None and table.shape != shape:
        raise ModelError(f"{name}: expected the shape {list(shape)} of input_ids, found {list(table.shape)}")
    return table


def rows_of(prompts: Any) -> tuple[bool, list[Any]]:
    """Return whether there is a single prompt, and the prompts as a list."""
    if isinstance(prompts, str):
        return True, [prompts]
    rows = prompts.tolist() if hasattr(prompts, "tolist") else list(prompts)
    single = bool(rows) and isinstance(rows[0], int)
    return single, [rows] if single else rows


def agree(config: ModelConfig, name: str, given: bool) -> None:
    """Raise ModelError where a model of pictures is asked without one, or another model with one."""
    if given != (config.pictures is not None) and (given or config.placeholder is None):
        raise ModelError(f"{name}: {NONE if given else MISSING}")


def pictured(pixels: Any, transformer: Transformer) -> Stream:
    """Return the Stream of pixel values [B, C, H, W], processed already; ModelError for another shape."""
    embed: Any = transformer.config.pictures
    pixels = torch.as_tensor(pixels, dtype=torch.float32)
    high, wide, channels = embed.patch, embed.patch_width or embed.patch, embed.channels
    shape = list(pixels.shape)
    if len(shape) != 4 or shape[1] != channels or not shape[0] or shape[2] % high or shape[3] % wide or 0 in shape:
        raise ModelError(f"pixel_values: expected [B, {channels}, H, W] in patches of {high} x {wide}, found {shape}")
    rows, columns = shape[2] // high, shape[3] // wide
    cut = pixels.reshape(-1, channels, rows, high, columns, wide).permute(0, 2, 4, 1, 3, 5)  # B R C channel y x
    values = cut.reshape(len(pixels), rows * columns, -1)  # B T P
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).reshape(-1, 2)  # T 2
    if embed.class_token:
        values = torch.cat([torch.zeros_like(values[:, :1]), values], dim=1)
        places = torch.cat([torch.zeros_like(places[:1]), places])
    found = places.numpy()
    if (why := embed.refuse(Patches(values[0].numpy(), found))) is not None:
        raise ModelError(f"pixel_values: a picture {why}")
    return sources_padded([Patches(one.numpy(), found) for one in values], transformer.device)


def batched(
    transformer: Transformer, ids: Ids | None, mask: Ids | None, decoder: Ids | None, types: Ids | None, pixels: Any
) -> Batch:
    """Return the arguments of a stock class as a batch; ModelError names one that is missing, or cannot be read."""
    config = transformer.config
    agree(config, "pixel_values", pixels is not None)
    if config.placeholder is not None and ids is not None:
        return _beside(tabled(ids, mask, types, transformer), pixels, transformer)
    if pixels is not None:
        main, decoder = pictured(pixels, transformer), ids if decoder is None else decoder
    elif ids is None:
        raise ModelError("input_ids: expected rows of ids, found none")
    else:
        main = tabled(ids, mask, types, transformer)
    if config.encoder is None:
        return Batch(None, main, {})
    if config.decoder is None:
        return Batch(main, None, {})
    if decoder is None:
        raise ModelError("decoder_input_ids: an encoder-decoder model needs them beside what its encoder reads")
    return Batch(main, tabled(decoder, None, None, transformer), {})


def _beside(side: Stream, pixels: Any, transformer: Transformer) -> Batch:
    """Return texts with the places of a picture in each, and the pictures; a token of type 0 is of the prefix."""
    rows = (side.ids == transformer.config.placeholder).sum(dim=1).tolist()
    enc = None if pixels is None else pictured(pixels, transformer)
    size = 0 if enc is None else enc.shape[1]
    if len(rows) != (len(rows) if enc is None else enc.shape[0]) or rows != [size] * len(rows):
        raise ModelError(f"input_ids: expected {size} places of a picture in each row, found {rows}")
    prefix = None if side.types is None else (side.types == 0) & (side.documents > 0)
    return Batch(enc, replace(side, types=None, prefix=prefix), {})
