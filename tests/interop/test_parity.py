"""Every family against its stock class, in both directions, on small models where nothing is a default."""

import gc
from pathlib import Path

import pytest
import torch
from tolerance import close

import trivium
from trivium.base.errors import ModelError
from trivium.infer.generate import generate
from trivium.interop.families import by_type, families, stock
from trivium.model.transformer import Transformer

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
transformers.logging.set_verbosity_error()

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
BASE = {
    "llama": {
        "vocab_size": 101, "hidden_size": 48, "intermediate_size": 75, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 1, "head_dim": 10, "max_position_embeddings": 128, "rms_norm_eps": 1e-3,
    },
    "gpt2": {"vocab_size": 101, "n_embd": 36, "n_layer": 3, "n_head": 3, "n_positions": 128, "layer_norm_epsilon": 1e-3},
}  # fmt: skip
CASES = {
    "llama-mqa": ("llama", {}),
    "llama-gqa-tied": ("llama", {"num_key_value_heads": 2, "head_dim": 16, "tie_word_embeddings": True}),
    "llama-biased": ("llama", {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 4}),
    "llama-theta": ("llama", {"rope_parameters": {"rope_type": "default", "rope_theta": 123456.7}}),
    "llama-linear": ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 500.0}}),
    "llama-llama3": ("llama", {"rope_parameters": {**LLAMA3, "rope_theta": 777.0}}),
    "llama-gelu": ("llama", {"hidden_act": "gelu_pytorch_tanh"}),
    "gpt2-tied": ("gpt2", {}),
    "gpt2-untied": ("gpt2", {"tie_word_embeddings": False, "n_inner": 50, "activation_function": "relu"}),
    "gpt2-unscaled": ("gpt2", {"scale_attn_weights": False, "activation_function": "gelu"}),
}


def randomise(model: torch.nn.Module, seed: int = 0) -> None:
    """Give every parameter, norms and biases too, numbers that would show up if they were swapped or left out."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            norm = parameter.dim() == 1 and name.endswith("weight")
            parameter.copy_(1 + 0.3 * noise if norm else noise * 0.25)


@pytest.fixture(scope="module", params=CASES)
def stock_model(request):
    family, changes = CASES[request.param]
    config = transformers.AutoConfig.for_model(family, **BASE[family], **changes)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    randomise(model)
    yield model
    gc.collect()


def masks(kind: str) -> torch.Tensor:
    mask = torch.ones(3, 20, dtype=torch.long)
    if kind == "right":
        mask[1, 13:], mask[2, 1:] = 0, 0
    elif kind == "left":
        mask[1, :7], mask[2, :19] = 0, 0
    return mask


@torch.no_grad()
def compare(ours: trivium.Model, reference) -> None:
    """Logits and hidden states of the same ids, without padding and with it on either side."""
    ids = torch.randint(ours.config.vocab_size, (3, 20), generator=torch.Generator().manual_seed(1))
    for kind in ("none", "right", "left"):
        mask = masks(kind)
        said = reference(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        keep = mask.bool()
        assert close(ours.logits(ids, mask)[keep], said.logits[keep]), kind
        assert close(ours.hidden(ids, mask)[keep], said.hidden_states[-1][keep]), kind


def test_stock_to_ours(stock_model, tmp_path: Path) -> None:
    stock_model.save_pretrained(tmp_path)
    ours = trivium.load(tmp_path)
    assert ours.logits([[1]]).std() > 0.1
    compare(ours, stock_model)

    prompt = torch.randint(ours.config.vocab_size, (1, 9), generator=torch.Generator().manual_seed(2))
    greedy = {"do_sample": False, "max_new_tokens": 64, "eos_token_id": None, "pad_token_id": 0}
    expected = stock_model.generate(prompt, attention_mask=torch.ones_like(prompt), **greedy)[0, 9:].tolist()
    assert generate(ours.transformer, prompt.tolist(), max_new_tokens=64)[0].ids == expected


def test_ours_to_stock(stock_model, tmp_path: Path) -> None:
    """Random weights of ours, saved, load in the stock class without a missing or unexpected key."""
    config = by_type(stock_model.config.model_type).read(stock_model.config.to_dict())
    transformer = Transformer(config)
    randomise(transformer, seed=3)
    ours = trivium.Model(transformer.eval())
    ours.save(tmp_path / "model")
    loaded, info = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert type(loaded) is type(stock_model)
    assert not any(info[key] for key in info), info
    compare(ours, loaded.eval())
    assert trivium.load(tmp_path / "model").config == config


def test_every_family_is_compared() -> None:
    assert {family for family, _ in CASES.values()} == {family.model_type for family in families().values()}


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_config_of_the_stock_defaults(name: str) -> None:
    """What config.json leaves out is what the stock class takes for it."""
    family, stock_config = by_type(name), transformers.AutoConfig.for_model(name)
    assert family.read({"model_type": name}) == family.read(stock_config.to_dict())


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_preset_is_its_stock_class(name: str) -> None:
    config = trivium.build(name, depth=1, vocab_size=64).config
    family, reasons = stock(config)
    assert family is by_type(name) and reasons == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"norm": "layer"}, "decoder.norm: layer, LlamaForCausalLM has rms"),
        ({"norm": {"kind": "rms", "offset": 1.0}}, r"decoder.norm.offset: 1.0, LlamaForCausalLM has 0.0"),
        ({"pattern": "window"}, "decoder.pattern.0: window, LlamaForCausalLM has causal"),
        ({"pattern": ["causal", "window"]}, "decoder.pattern.1: window, LlamaForCausalLM has causal"),
        ({"position": "none"}, "decoder.position: none, LlamaForCausalLM has rope"),
        ({"position": {"kind": "rope", "fraction": 0.5}}, "decoder.position.0.fraction: 0.5"),
        ({"residual": "post"}, "decoder.residual: post, LlamaForCausalLM has pre"),
        ({"qk_norm": "rms"}, "decoder.qk_norm: rms, LlamaForCausalLM has none"),
        ({"ffn": "mlp"}, "decoder.ffn: mlp, LlamaForCausalLM has glu"),
        ({"bias": True, "output_bias": False}, "decoder.output_bias: False, LlamaForCausalLM has True"),
        ({"softcap": 30.0}, "decoder.softcap: 30.0, LlamaForCausalLM has None"),
        ({"score_scale": 1.0}, "decoder.scale: 1.0, LlamaForCausalLM has"),
        ({"head": {"kind": "lm", "bias": True}}, "head.bias: True, LlamaForCausalLM has False"),
        ({"hidden_size": 100, "heads": 3, "head_size": 32}, "heads: 3, LlamaForCausalLM needs a divisor"),
    ],
)
def test_a_choice_that_no_stock_class_has_is_named(changes: dict, reason: str) -> None:
    config = trivium.build("llama", **{"layers": 2, "hidden_size": 32, "heads": 2, "vocab_size": 64, **changes}).config
    family, reasons = stock(config)
    assert family is None and set(reasons) == {family.architecture for family in families().values()}
    assert reason in reasons["LlamaForCausalLM"]


def test_what_does_not_change_a_trained_model_is_no_obstacle() -> None:
    config = trivium.build("llama", layers=1, hidden_size=32, heads=2, vocab_size=64, dropout=0.1, init="scaled").config
    assert stock(config)[0] is by_type("llama")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("llama", {"hidden_act": "xielu"}, "hidden_act: 'xielu' is not supported"),
        ("llama", {"rope_scaling": {"rope_type": "longrope"}}, "rope_type 'longrope' is not supported"),
        ("llama", {"rope_parameters": {"rope_type": "linear"}}, "linear needs factor"),
        ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor: 0.5"),
        ("gpt2", {"add_cross_attention": True}, "add_cross_attention: true is not supported"),
    ],
)
def test_a_stock_setting_that_we_do_not_have_is_named(name: str, changes: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        by_type(name).read(changes)


def test_old_and_new_rope_spelling_are_one() -> None:
    llama = by_type("llama")
    new = llama.read({"rope_parameters": {**LLAMA3, "rope_theta": 5e5}})
    assert llama.read({"rope_theta": 500000, "rope_scaling": LLAMA3}) == new
    assert llama.read({"rope_theta": 500000, "rope_scaling": {**LLAMA3, "type": "llama3"}}) == new
    assert llama.read(llama.write(new, None)) == new
    assert llama.read({"rope_theta": 500000.0}) != llama.read({})
