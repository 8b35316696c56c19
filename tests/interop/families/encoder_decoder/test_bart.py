"""BartForConditionalGeneration: which settings of either side the other lacks. That the rest is equal: test_stock."""

import pytest
import torch
from safetensors.torch import load_file, save_file

import trivium
from carried import SMALL, reason_against
from trivium.base.errors import ModelError
from trivium.interop.families import by_type

bart, mbart = by_type("bart"), by_type("mbart")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"residual": "pre"}, "encoder.residual: pre, BartForConditionalGeneration has post"),
        ({"tie": False}, "tie: False, BartForConditionalGeneration has True"),
        ({"ffn": "glu"}, "encoder.ffn: glu, BartForConditionalGeneration has mlp"),
        ({"norm": {"kind": "layer", "eps": 0.1}}, "encoder.norm.eps: 0.1, BartForConditionalGeneration has 1e-05"),
        ({"head": "lm"}, "head.bias: False, BartForConditionalGeneration has True"),
        (
            {"position": {"kind": "learned", "offset": 0}},
            "encoder.position.0.offset: 0, BartForConditionalGeneration has 2",
        ),
        ({"heads": 3, "head_size": 8}, "encoder: hidden_size 32 is not a multiple of heads 3"),
    ],
)
def test_a_choice_that_the_stock_class_has_not_is_named(changes: dict, reason: str) -> None:
    assert reason_against("bart", changes).startswith(reason)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tie_word_embeddings": False}, "tie_word_embeddings: false is not supported"),
        ({"activation_function": "xielu"}, "activation_function: 'xielu' is not supported"),
    ],
)
def test_a_stock_setting_that_we_do_not_have_is_named(changes: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        bart.read(changes)


def test_a_file_may_leave_out_the_bias_of_the_scores(tmp_path) -> None:
    model = trivium.build("bart", **SMALL)
    model.save(tmp_path / "model")
    state = load_file(tmp_path / "model" / "model.safetensors")
    assert state.pop("final_logits_bias").shape == (1, 64)
    save_file(state, tmp_path / "model" / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "model" / "trivium.json").unlink()  # as another program would have written it
    assert not trivium.load(tmp_path / "model").transformer.head.bias.any()


def test_stacks_may_differ_in_size() -> None:
    config = bart.read({"encoder_layers": 1, "decoder_layers": 2, "d_model": 64, "decoder_ffn_dim": 80})
    assert (config.encoder.layers, config.decoder.layers, config.decoder.ffn.size) == (1, 2, 80)
    tree = bart.write(config, None)
    assert (tree["encoder_layers"], tree["decoder_layers"], tree["decoder_ffn_dim"]) == (1, 2, 80)


def test_other_readers_are_told_where_norms_stand() -> None:
    tree = bart.write(trivium.build("bart", **SMALL).config, None)
    assert tree["normalize_before"] is tree["add_final_layer_norm"] is tree["static_position_embeddings"] is False
    tree = mbart.write(trivium.build("mbart", **SMALL).config, None)
    assert tree["normalize_before"] is tree["add_final_layer_norm"] is tree["scale_embedding"] is True


@pytest.mark.parametrize("preset", ["bart", "mbart", "marian", "pegasus"])
def test_the_bias_of_the_scores_is_a_buffer_as_in_stock(preset: str, tmp_path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is the oracle")
    model = trivium.build(preset, **SMALL)
    with torch.no_grad():
        model.transformer.head.bias.normal_()
    model.save(tmp_path / "model")
    stock = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "model")
    fixed = "embed_positions" if preset in ("marian", "pegasus") else "none"  # sinusoids; stock trains them
    ours = sum(one.numel() for one in model.transformer.parameters())
    assert ours == sum(one.numel() for name, one in stock.named_parameters() if fixed not in name)
    for dtype in (torch.float32, torch.bfloat16):
        again = trivium.load(tmp_path / "model", dtype=dtype)
        assert torch.equal(again.transformer.head.bias, stock.final_logits_bias[0].to(dtype))
        ids = torch.tensor([[5, 6, 7]])
        with torch.no_grad():
            expected = stock.to(dtype)(input_ids=ids, decoder_input_ids=ids).logits.float()
        assert (again.logits(ids, decoder_input_ids=ids) - expected).abs().max() < (1e-4, 0.1)[dtype == torch.bfloat16]
