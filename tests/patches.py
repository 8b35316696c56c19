"""Drawn pictures as a model reads them, and the pixels that a stock class reads of the same."""

import numpy as np
import torch

from trivium.base.types import Patches
from trivium.model.layer.embed import PatchEmbed


def drawn(embed: PatchEmbed, rows: int, columns: int, seed: int = 0) -> Patches:
    """A picture of this many patches, and a class token where the model has one."""
    values = np.random.default_rng(seed).normal(size=(rows * columns, embed.patch_size)).astype(np.float32)
    places = np.stack(np.divmod(np.arange(rows * columns), columns), axis=-1)
    if embed.class_token:
        values, places = (np.concatenate([part[:1] * 0, part]) for part in (values, places))
    return Patches(values, places.astype(np.int64))


def pixels(embed: PatchEmbed, picture: Patches) -> torch.Tensor:
    """The pixels [C, H, W] of a picture."""
    rows, columns = picture.places.max(axis=0) + 1
    values = torch.from_numpy(picture.values[embed.class_token * 1 :])
    squares = values.view(rows, columns, embed.channels, embed.patch, embed.patch)
    return squares.permute(2, 0, 3, 1, 4).reshape(embed.channels, rows * embed.patch, columns * embed.patch)
