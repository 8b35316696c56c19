"""Adapters: nothing changes at first, only they learn, and merging changes nothing."""

import pytest
import torch

import tiny
import trivium
from tolerance import close
from trivium.base.errors import ConfigError
from trivium.model.adapt import Lora, adapt, adapted, merge

IDS = torch.tensor([[5, 9, 41, 7, 33, 2]])


def build(preset="llama", **options):
    torch.manual_seed(1)
    return trivium.build(
        preset, **{"vocab_size": 96, "hidden_size": 32, "layers": 2, "heads": 4, "context": 64} | options
    )


def logits(model):
    return model.logits(IDS, decoder_input_ids=IDS if model.config.family == "encoder_decoder" else None)


@pytest.mark.parametrize("preset", tiny.TEXTS)
def test_scores_are_the_same_until_something_is_learned(preset):
    model = build(preset)
    before, keys = logits(model), set(model.transformer.state_dict())
    adapt(model.transformer, Lora(rank=2))
    assert torch.equal(logits(model), before)
    assert set(model.transformer.state_dict()) >= keys, "an adapted layer keeps its names"


@pytest.mark.parametrize("preset", tiny.TEXTS)
def test_merged_is_adapted(preset):
    model = build(preset, init="scaled")
    adapt(model.transformer, Lora(rank=3, alpha=7))
    with torch.no_grad():
        for layer in adapted(model.transformer).values():
            layer.lora_b.normal_(std=0.2)
    learned, keys = logits(model), {name for name in model.transformer.state_dict() if ".lora_" not in name}
    merge(model.transformer)
    assert close(logits(model), learned) and set(model.transformer.state_dict()) == keys
    assert all(parameter.requires_grad for parameter in model.transformer.parameters())


def test_only_adapters_are_trained():
    model = build()
    adapt(model.transformer, Lora(targets=("q", "down")))
    names = {name for name, parameter in model.transformer.named_parameters() if parameter.requires_grad}
    assert names and all(name.endswith(("q.lora_a", "q.lora_b", "down.lora_a", "down.lora_b")) for name in names)


def test_dropout_is_for_training_alone():
    model = build()
    adapt(model.transformer, Lora(dropout=0.5, targets=("q",)))
    layer = next(iter(adapted(model.transformer).values()))
    with torch.no_grad():
        layer.lora_b.normal_()
    x = torch.randn(3, 32)
    assert torch.equal(layer.eval()(x), layer(x))
    assert not torch.equal(layer.train()(x), layer(x))


def test_an_unknown_target_is_an_error():
    with pytest.raises(ConfigError, match="no linear layer called wide"):
        adapt(build().transformer, Lora(targets=("q", "wide")))
    with pytest.raises(ConfigError, match="none of gate"):
        adapt(build("bert").transformer, Lora(targets=("gate",)))
