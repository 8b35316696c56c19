"""Adapters against peft, on the stock class of every preset, in both directions."""

import pytest
import torch

import tiny
import trivium
from tolerance import close
from trivium.base.errors import ModelError
from trivium.base.integrity import verification
from trivium.interop.adapter.load import load_adapter
from trivium.interop.adapter.save import save_adapter
from trivium.model.adapt import Lora, adapt, adapted

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
peft = pytest.importorskip("peft", reason="peft is the oracle of these tests")
transformers.logging.set_verbosity_error()

IDS = torch.tensor([[5, 9, 41, 7, 33, 2], [3, 88, 6, 54, 21, 90]])
CLASSES = {
    "encoder": "AutoModelForMaskedLM",
    "decoder": "AutoModelForCausalLM",
    "encoder_decoder": "AutoModelForSeq2SeqLM",
}


def build(preset):
    torch.manual_seed(0)
    model = trivium.build(preset, vocab_size=96, hidden_size=32, layers=2, heads=4, context=64, init="scaled")
    with torch.no_grad():
        for parameter in model.transformer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def learn(model, **options):
    """Adapters with numbers in them, as if something had been learned."""
    adapt(model.transformer, Lora(rank=3, alpha=5.0, **options))
    with torch.no_grad():
        for layer in adapted(model.transformer).values():
            layer.lora_b.normal_(std=0.3)
    return model


def ours(model):
    decoder = IDS if model.config.family == "encoder_decoder" else None
    return model.logits(IDS, decoder_input_ids=decoder)


def theirs(model):
    more = {"decoder_input_ids": IDS} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model.eval()(input_ids=IDS, attention_mask=torch.ones_like(IDS), **more).logits


@pytest.mark.parametrize("preset", tiny.TEXTS)
def test_peft_reads_ours(preset, tmp_path):
    model = build(preset)
    before = ours(model)
    model.save(tmp_path / "base")
    learn(model)
    save_adapter(tmp_path / "adapter", model.transformer, tmp_path / "base")
    base = getattr(transformers, CLASSES[model.config.family]).from_pretrained(tmp_path / "base")
    stock = peft.PeftModel.from_pretrained(base, tmp_path / "adapter")
    assert not close(ours(model), before)
    assert close(ours(model), theirs(stock))


@pytest.mark.parametrize("preset", tiny.TEXTS)
def test_we_read_our_own(preset, tmp_path):
    model = build(preset)
    model.save(tmp_path / "base")
    learn(model)
    save_adapter(tmp_path / "adapter", model.transformer, tmp_path / "base")
    again = trivium.load(tmp_path / "base")
    load_adapter(tmp_path / "adapter", again.transformer)
    assert close(ours(again), ours(model)) and not adapted(again.transformer)


def test_a_model_without_a_stock_class_says_so(tmp_path):
    model = trivium.build("llama", vocab_size=96, hidden_size=32, layers=1, heads=4, norm="layer")
    with pytest.raises(ModelError, match="no stock class"):
        save_adapter(tmp_path / "a", learn(model).transformer, "base")


def test_an_adapter_that_peft_saved_again_says_so(tmp_path):
    model = build("llama")
    model.save(tmp_path / "base")
    learn(model)
    save_adapter(tmp_path / "adapter", model.transformer, tmp_path / "base")
    wanted = trivium.load(tmp_path / "adapter").logits(IDS)
    base = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    stock = peft.PeftModel.from_pretrained(base, tmp_path / "adapter")
    stock.save_pretrained(tmp_path / "theirs")
    assert close(trivium.load(tmp_path / "theirs").logits(IDS), wanted), "a folder of theirs is free"
    with torch.no_grad():
        next(p for name, p in stock.named_parameters() if "lora_B" in name).add_(1)
    stock.save_pretrained(tmp_path / "adapter")
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors: changed since trivium wrote it.*--no-verify"):
        trivium.load(tmp_path / "adapter")
    with verification(False):
        assert not close(trivium.load(tmp_path / "adapter").logits(IDS), wanted)
