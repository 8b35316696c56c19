"""Every family against its stock class, in both directions, on small models where nothing is a default."""

import gc
from pathlib import Path

import pytest
import torch

import trivium
from tolerance import close
from trivium.base.batch import Batch, Stream
from trivium.infer.generate import generate
from trivium.infer.request import Request
from trivium.interop.families import by_type
from trivium.model.transformer import Transformer
from trivium.train.loss.token import TokenLoss

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
transformers.logging.set_verbosity_error()

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "beta_fast": 8, "rope_theta": 77.0}
BASE = {
    "llama": {
        "vocab_size": 101,
        "hidden_size": 48,
        "intermediate_size": 75,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 10,
        "max_position_embeddings": 128,
        "rms_norm_eps": 1e-3,
    },
    "gpt2": {
        "vocab_size": 101,
        "n_embd": 36,
        "n_layer": 3,
        "n_head": 3,
        "n_positions": 128,
        "layer_norm_epsilon": 1e-3,
    },
}
CASES = {
    "llama-mqa": ("llama", {}),
    "llama-gqa-tied": ("llama", {"num_key_value_heads": 2, "head_dim": 16, "tie_word_embeddings": True}),
    "llama-biased": ("llama", {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 4}),
    "llama-theta": ("llama", {"rope_parameters": {"rope_type": "default", "rope_theta": 123456.7}}),
    "llama-linear": ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 500.0}}),
    "llama-llama3": ("llama", {"rope_parameters": {**LLAMA3, "rope_theta": 777.0}}),
    "llama-dynamic": (
        "llama",
        {
            "max_position_embeddings": 16,
            "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 500.0},
        },
    ),
    "llama-yarn": ("llama", {"rope_parameters": YARN}),
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
    config = transformers.AutoConfig.for_model(family, **{**BASE[family], **changes})
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


@torch.no_grad()
def compare_loss(ours: trivium.Model, reference) -> None:
    """The mean loss of labels, some ignored: the stock class shifts them, here they come shifted, once."""
    ids = torch.randint(ours.config.vocab_size, (3, 20), generator=torch.Generator().manual_seed(4))
    labels = ids.clone()
    labels[1, :6], labels[2, 11:] = -100, -100
    following = torch.cat([labels[:, 1:], torch.full((3, 1), -100)], dim=1)
    stream = Stream(ids, torch.arange(20).expand(3, 20), torch.ones_like(ids))
    batch = Batch(None, stream, {"token": following})
    total, losses, _ = TokenLoss()(ours.transformer.head, ours.transformer(batch), batch)
    by_hand = torch.nn.functional.cross_entropy(ours.logits(ids)[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
    assert len(losses) == int((labels[:, 1:] != -100).sum())
    for expected in (reference(input_ids=ids, labels=labels).loss, by_hand):
        assert torch.isclose(total / len(losses), expected, rtol=1e-5)


def test_stock_to_ours(stock_model, tmp_path: Path) -> None:
    stock_model.save_pretrained(tmp_path)
    ours = trivium.load(tmp_path)
    assert ours.logits([[1]]).std() > 0.1
    compare(ours, stock_model)
    compare_loss(ours, stock_model)

    prompt = torch.randint(ours.config.vocab_size, (1, 9), generator=torch.Generator().manual_seed(2))
    greedy = {"do_sample": False, "max_new_tokens": 64, "eos_token_id": None, "pad_token_id": 0}
    expected = stock_model.generate(prompt, attention_mask=torch.ones_like(prompt), **greedy)[0, 9:].tolist()
    assert generate(ours.transformer, Request(prompt.tolist(), max_new_tokens=64))[0].ids == expected


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
