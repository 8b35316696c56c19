"""What is added to a token's or a patch's vector on its way into a stack."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from trivium.base.batch import Stream
from trivium.base.types import Patches
from trivium.model.layer.embed import PatchEmbed, Tokens
from trivium.model.layer.norm import LayerNorm
from trivium.model.layer.plane import Sinusoid2D
from trivium.model.layer.position import Learned, NoPosition

TOKENS = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
POSITIONS = torch.arange(3).expand(2, 3)


def fed(module: nn.Module, tokens: torch.Tensor, types: torch.Tensor | None = None, *given) -> torch.Tensor:
    """The input of a stack whose table gives these vectors."""
    stream = Stream(POSITIONS, POSITIONS, torch.ones_like(POSITIONS), types=types)
    return module(stream, lambda ids: tokens, *given)


def test_by_default_tokens_pass_as_they_are() -> None:
    assert torch.equal(fed(Tokens().build(8, 16, NoPosition(), 0.0), TOKENS), TOKENS)


def test_the_scale_is_the_root_of_the_width_rounded_to_the_dtype() -> None:
    module = Tokens(scale=True).build(8, 16, NoPosition(), 0.0)
    assert torch.equal(fed(module, TOKENS), TOKENS * math.sqrt(8))
    rounded = torch.tensor(math.sqrt(8)).bfloat16()
    assert torch.equal(fed(module, TOKENS.bfloat16()), TOKENS.bfloat16() * rounded)


def test_types_default_to_the_first_and_positions_are_added() -> None:
    module = Tokens(types=2).build(8, 16, Learned(offset=2), 0.0)
    types = torch.tensor([[0, 0, 1], [1, 0, 1]])
    expected = TOKENS + module.types.weight[types] + module.position.weight[POSITIONS + 2]
    assert torch.allclose(fed(module, TOKENS, types), expected)
    assert torch.equal(fed(module, TOKENS), fed(module, TOKENS, types * 0))
    assert module.position.weight.shape == (18, 8)


def test_the_sum_is_normalised() -> None:
    module = Tokens(types=1, norm=LayerNorm()).build(8, 16, Learned(), 0.0)
    out = fed(module, TOKENS)
    assert torch.allclose(out.mean(-1), torch.zeros(2, 3), atol=1e-5)


def test_states_stand_in_place_of_scaled_tokens() -> None:
    module = Tokens(scale=True).build(8, 16, Learned(), 0.0)
    states = torch.ones(2, 8)  # the id 1 stands once in each row
    expected = TOKENS * math.sqrt(8)
    expected[:, 1] = 1
    assert torch.equal(fed(module, TOKENS, None, states, 1), expected + module.position.weight[:3])


def picture(rows: int, columns: int, size: int, class_token: bool = True) -> Stream:
    """The patches of a drawn picture [1, T, size]."""
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    places = torch.cat([places[:1] * 0] * class_token + [places])[None]
    patches = torch.randn(1, places.shape[1], size, generator=torch.Generator().manual_seed(1))
    patches[:, :class_token] = 0
    counted = torch.arange(places.shape[1])[None]
    return Stream(None, counted, torch.ones_like(counted), True, patches=patches, places=places)


def test_a_patch_goes_through_the_matrix_of_a_convolution() -> None:
    config = PatchEmbed(patch=4, size=(2, 3), class_token=False)
    module = config.build(8, 0, NoPosition(), 0.0)
    pixels = torch.randn(1, 3, 8, 12, generator=torch.Generator().manual_seed(2))
    cut = pixels.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).reshape(1, 6, 48)  # B R C channel y x
    kernel = module.patch.weight.view(8, 3, 4, 4)
    expected = nn.functional.conv2d(pixels, kernel, module.patch.bias, stride=4).flatten(2).transpose(1, 2)
    whole = picture(2, 3, 48, False)
    found = module(Stream(None, whole.positions, whole.documents, patches=cut, places=whole.places))
    assert torch.allclose(found, expected, atol=1e-5) and config.patch_size == 48


def test_learned_positions_are_those_of_the_place_and_the_class_token_has_the_first() -> None:
    module = PatchEmbed(patch=2, size=(3, 5)).build(8, 0, Learned(), 0.0)
    assert module.position.weight.shape == (16, 8)
    found = module(picture(2, 3, 12))
    table = module.position.weight
    assert torch.allclose(found[0, 0], module.first.weight[0] + table[0])
    patches = picture(2, 3, 12).patches[0, 1:] @ module.patch.weight.t() + module.patch.bias
    assert torch.allclose(found[0, 1:], patches + table[[1, 2, 3, 6, 7, 8]], atol=1e-6)


def test_a_picture_larger_than_the_table_is_no_other_place_in_it() -> None:
    module = PatchEmbed(patch=2, size=(3, 5)).build(8, 0, Learned(), 0.0)
    with pytest.raises(IndexError):
        module(picture(2, 6, 12))


def test_the_class_token_has_no_place_in_the_plane() -> None:
    module = PatchEmbed(patch=2, size=(1, 1)).build(8, 0, Sinusoid2D(), 0.0)
    found, places = module(picture(2, 3, 12)), picture(2, 3, 12).places
    assert torch.equal(found[0, 0], module.first.weight[0])
    patches = module.patch(picture(2, 3, 12).patches)
    assert torch.allclose(found[0, 1:], (patches + module.position(places))[0, 1:])


def test_padding_alone_has_the_shape_of_a_picture() -> None:
    module = PatchEmbed(patch=2, channels=1).build(8, 0, Learned(), 0.0)
    empty = torch.zeros(2, 3, dtype=torch.long)
    assert module(Stream(empty, empty, empty)).shape == (2, 3, 8)


def test_a_patch_may_be_a_column():
    config = PatchEmbed(patch=32, patch_width=8, channels=1, size=(1, 4), class_token=False)
    places = np.array([[0, 0], [0, 1]])
    assert config.patch_size == 256 and config.refuse(Patches(np.zeros((2, 256), np.float32), places)) is None
    assert "1 x 32 x 8" in config.refuse(Patches(np.zeros((2, 1024), np.float32), places))
