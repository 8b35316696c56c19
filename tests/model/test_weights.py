"""The weights of a model by name, tied ones once; into a model and out of it."""

import pytest
import torch
from safetensors.torch import load_file, save_file

import small
import tiny
import trivium
from tolerance import close
from trivium.base.errors import ModelError
from trivium.model.config import ModelConfig
from trivium.model.transformer import Transformer
from trivium.model.weights import collect, empty, fill, resize, slots

CONFIG = trivium.build("llama", layers=2, hidden_size=32, heads=4, vocab_size=101, context=64, tie=True).config


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_an_empty_transformer_is_filled() -> None:
    """It has no numbers but those that are computed, and what was tied is tied again."""
    full, hollow = Transformer(CONFIG), empty(CONFIG)
    assert all(parameter.is_meta for parameter in hollow.parameters())
    assert not any(buffer.is_meta for buffer in hollow.buffers()) and len(list(hollow.buffers()))
    assert not torch.nn.Linear(2, 2).weight.is_meta, "the hook is gone afterwards"
    state = collect(full)
    assert "head.weight" not in state and set(state) == set(slots(hollow))
    fill(hollow, state, "here")
    assert equal(collect(hollow), state)
    assert hollow.head.weight is hollow.tokens.weight
    assert torch.equal(hollow.decoder.relative[0].frequency, full.decoder.relative[0].frequency)


def test_an_untied_head_stays_its_own() -> None:
    config = ModelConfig.model_validate(
        {**CONFIG.model_dump(include={"vocab_size", "hidden_size", "context"}), "tie": False, "decoder": CONFIG.decoder}
    )
    hollow = empty(config)
    fill(hollow, collect(Transformer(config)), "here")
    assert hollow.head.weight.data_ptr() != hollow.tokens.weight.data_ptr()


def test_tied_weights_are_stored_once_and_tied_when_loaded(tmp_path):
    model, other = (tiny.model("gpt2", seed=seed) for seed in (0, 1))
    stored = collect(model)
    tables = [key for key, value in stored.items() if value.shape == (64, 32)]
    assert len(tables) == 2 - 1 + ("inputs.decoder.position.weight" in tables)
    fill(other, stored, "here")
    assert other.head.weight.data_ptr() == other.tokens.weight.data_ptr()
    assert torch.equal(other.tokens.weight, model.tokens.weight)


def test_untied_weights_are_stored_both():
    assert {"tokens.weight", "head.weight"} <= set(collect(tiny.model(tree={"tie": False})))


def test_weights_keep_the_type_they_are_trained_in():
    model = tiny.model().bfloat16()
    assert {value.dtype for value in collect(model).values()} == {torch.bfloat16}


def test_other_keys_and_shapes_are_errors():
    model = tiny.model()
    stored = collect(model)
    with pytest.raises(ModelError, match=r"here: missing weight 'decoder\.norm\.weight' \(1 keys differ\)"):
        fill(model, {k: v for k, v in stored.items() if k != "decoder.norm.weight"}, "here")
    with pytest.raises(ModelError, match=r"here: unexpected weight 'zzz'"):
        fill(model, {**stored, "zzz": torch.zeros(1)}, "here")
    with pytest.raises(ModelError, match=r"decoder\.norm\.weight: expected shape \[32\], found \[31\]"):
        fill(model, {**stored, "decoder.norm.weight": torch.zeros(31)}, "here")


def test_scalars_and_buffers_are_weights_too() -> None:
    class Odd(torch.nn.Module):
        def __init__(self, value: float) -> None:
            super().__init__()
            self.alpha = torch.nn.Parameter(torch.tensor(value))
            self.register_buffer("seen", torch.tensor([value]))

    one, other = Odd(1.0), Odd(2.0)
    fill(other, collect(one), "here")
    assert equal(collect(other), {"alpha": torch.tensor(1.0), "seen": torch.tensor([1.0])})


def test_names_have_no_part_of_a_wrapper() -> None:
    model, wrapped = tiny.model(seed=0), torch.compile(tiny.model(seed=1))
    assert set(collect(wrapped)) == set(collect(model))
    fill(wrapped, collect(model), "here")
    assert equal(collect(wrapped), collect(model))


IDS = [[1, 9, 41, 7]]


@pytest.mark.parametrize("preset", sorted(small.SIZES))
def test_old_tokens_keep_their_scores(preset):
    model = small.model(preset)
    given = {"decoder_input_ids": IDS} if model.config.family == "encoder_decoder" else {}
    with torch.no_grad():
        for parameter in model.transformer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    before = model.logits(IDS, **given)
    model.transformer = resize(model.transformer, 400)
    after = model.logits(IDS, **given)
    assert model.config.vocab_size == 400 and after.shape[-1] == 400
    assert close(after[..., :384], before)
    assert close(after[..., 384:], before.mean(-1, keepdim=True).expand(-1, -1, 16))
    model.logits([[399, 384]], **given)


def test_rows_that_only_padded_a_table_become_the_mean_too():
    model = small.model("llama").transformer
    made = resize(model, 384, known=380)
    assert close(made.tokens.weight[380:], model.tokens.weight[:380].mean(0).expand(4, -1))
    assert torch.equal(made.tokens.weight[:380], model.tokens.weight[:380])


@pytest.mark.parametrize("kind", [torch.int64, torch.complex64, torch.bool])
def test_integers_and_complex_numbers_are_no_weights(tmp_path, kind):
    folder = small.folder(tmp_path, "llama")
    state = load_file(folder / "model.safetensors")
    name = next(iter(state))
    save_file({**state, name: state[name].to(kind)}, folder / "model.safetensors")
    (folder / "trivium.json").unlink()
    with pytest.raises(ModelError, match=rf"expected torch.float32 or another float, found {kind}"):
        trivium.load(folder)
