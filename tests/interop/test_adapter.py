"""Adapters against peft, on the stock class of every preset, in both directions."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import trivium
from tolerance import close
from trivium.base.errors import ModelError
from trivium.base.integrity import verification
from trivium.interop import adapter
from trivium.model.adapt import Lora, adapt, adapted, merge
from trivium.model.presets import PRESETS

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


def taken(folder):
    """A folder as it is, whatever its hashes say."""
    with verification(False):
        return trivium.load(folder)


def theirs(model):
    more = {"decoder_input_ids": IDS} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model.eval()(input_ids=IDS, attention_mask=torch.ones_like(IDS), **more).logits


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_peft_reads_ours(preset, tmp_path):
    model = build(preset)
    before = ours(model)
    model.save(tmp_path / "base")
    learn(model)
    adapter.save_adapter(tmp_path / "adapter", model.transformer, tmp_path / "base")
    base = getattr(transformers, CLASSES[model.config.family]).from_pretrained(tmp_path / "base")
    stock = peft.PeftModel.from_pretrained(base, tmp_path / "adapter")
    assert not close(ours(model), before)
    assert close(ours(model), theirs(stock))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_we_read_our_own(preset, tmp_path):
    model = build(preset)
    model.save(tmp_path / "base")
    learn(model)
    adapter.save_adapter(tmp_path / "adapter", model.transformer, tmp_path / "base")
    again = trivium.load(tmp_path / "base")
    adapter.load_adapter(tmp_path / "adapter", again.transformer)
    assert close(ours(again), ours(model))
    merge(again.transformer)
    assert close(ours(again), ours(model))


TARGETS = {
    "llama": ["q_proj", "v_proj", "down_proj"],
    "qwen3": ["q_proj", "k_proj", "o_proj"],
    "gpt2": ["c_attn", "c_proj"],
    "bert": ["query", "value"],
    "roberta": ["query", "key"],
    "modernbert": ["Wqkv", "Wi", "Wo"],
    "t5": ["q", "v", "wo"],
    "bart": ["q_proj", "fc1"],
    "mbart": ["v_proj", "fc2"],
}


@pytest.mark.parametrize("preset", TARGETS)
def test_we_read_theirs(preset, tmp_path):
    model = build(preset)
    model.save(tmp_path / "base")
    base = getattr(transformers, CLASSES[model.config.family]).from_pretrained(tmp_path / "base")
    config = peft.LoraConfig(
        r=4,
        lora_alpha=6,
        target_modules=TARGETS[preset],
        fan_in_fan_out=preset == "gpt2",
        init_lora_weights=False,
        rank_pattern={TARGETS[preset][0]: 2},
    )
    stock = peft.get_peft_model(base, config)
    stock.save_pretrained(tmp_path / "adapter")
    adapter.load_adapter(tmp_path / "adapter", model.transformer)
    assert close(ours(model), theirs(stock))


def test_a_folder_of_an_adapter_loads_with_its_base(tmp_path):
    model = build("llama")
    model.save(tmp_path / "base")
    learn(model)
    adapter.save_adapter(tmp_path / "adapter", model.transformer, tmp_path / "base")
    again = trivium.load(tmp_path / "adapter")
    assert close(ours(again), ours(model)) and not adapted(again.transformer)
    (tmp_path / "moved").mkdir()
    (tmp_path / "base").rename(tmp_path / "moved" / "base")
    with pytest.raises(ModelError, match="base_model_name_or_path"):
        trivium.load(tmp_path / "adapter")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"use_dora": True}, "use_dora"), ({"bias": "all"}, "bias"), ({"use_rslora": True}, "use_rslora")],
)
def test_what_we_do_not_compute_is_refused(change, message, tmp_path):
    model = learn(build("llama"))
    adapter.save_adapter(tmp_path / "a", model.transformer, "base")
    path = tmp_path / "a" / adapter.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=message):
        adapter.load_adapter(tmp_path / "a", build("llama").transformer)


def test_an_adapter_of_another_model_is_refused(tmp_path):
    adapter.save_adapter(tmp_path / "a", learn(build("llama")).transformer, "base")
    other = trivium.build("llama", vocab_size=96, hidden_size=48, layers=2, heads=4)
    with pytest.raises(ModelError, match=r"does not fit a layer of 48 to 48"):
        adapter.load_adapter(tmp_path / "a", other.transformer)
    with pytest.raises(ModelError, match="another model's"):
        adapter.load_adapter(tmp_path / "a", build("bert").transformer)
    state = load_file(tmp_path / "a" / adapter.WEIGHTS)
    save_file({**state, "base_model.model.extra.weight": torch.zeros(1)}, tmp_path / "a" / adapter.WEIGHTS)
    with pytest.raises(ModelError, match=r"extra\.weight"):
        adapter.load_adapter(tmp_path / "a", build("llama").transformer)


def test_a_model_without_a_stock_class_says_so(tmp_path):
    model = trivium.build("llama", vocab_size=96, hidden_size=32, layers=1, heads=4, norm="layer")
    with pytest.raises(ModelError, match="no stock class"):
        adapter.save_adapter(tmp_path / "a", learn(model).transformer, "base")


def test_an_adapter_that_peft_saved_again_says_so(tmp_path):
    model = build("llama")
    model.save(tmp_path / "base")
    learn(model)
    adapter.save_adapter(tmp_path / "adapter", model.transformer, tmp_path / "base")
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
    assert not close(taken(tmp_path / "adapter").logits(IDS), wanted)
