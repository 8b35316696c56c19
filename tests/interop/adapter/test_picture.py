"""Adapters of models of pictures against peft itself, both ways, in the names that its stock classes have today."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

import trivium
from patches import drawn, pixels
from seen import CASES, TEXT, stock_model
from tolerance import close
from trivium.base.errors import ModelError
from trivium.interop.adapter.load import load_adapter
from trivium.interop.adapter.save import CONFIG, ROOT, WEIGHTS, save_adapter
from trivium.model.adapt import Lora, adapt, adapted, merge

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
peft = pytest.importorskip("peft", reason="peft is the oracle of these tests")
pytestmark = pytest.mark.filterwarnings("ignore")
NAMES = {
    "vit-labels": {"target_modules": ["q_proj", "fc1", "projection"], "modules_to_save": ["classifier"]},
    "gpt2": {"target_modules": ["c_attn", "q_proj", "fc2", "q_attn", "enc_to_dec_proj"], "use_rslora": True},
    "trocr": {"target_modules": r".*\.(q_proj|v_proj|fc1)"},
    "paligemma": {"target_modules": ["q_proj", "o_proj", "gate_proj", "linear"], "rank_pattern": {"o_proj": 2}},
}


def stock(name):
    if name != "vit-labels":
        return stock_model(*CASES[name])
    torch.manual_seed(0)
    config = transformers.ViTConfig(**CASES["vit"][1], num_labels=3, initializer_range=0.3)
    return transformers.ViTForImageClassification._from_config(config, attn_implementation="eager").eval()


def given(config):
    """Pixels, and what a text is asked beside them."""
    embed = config.pictures
    seen = torch.stack([pixels(embed, drawn(embed, *embed.size, seed=seed)) for seed in (1, 2)])
    if config.decoder is None:
        return {"pixel_values": seen}
    if config.placeholder is None:
        return {"pixel_values": seen, "decoder_input_ids": TEXT}
    count = embed.limit(0)
    ids = torch.cat([torch.full((2, count), config.placeholder), TEXT], dim=1)
    types = (torch.arange(ids.shape[1]) > count + 3).long().expand_as(ids)
    return {"pixel_values": seen, "input_ids": ids, "token_type_ids": types}


def said(model, asked):
    with torch.no_grad():
        return model.eval()(**asked).logits


def ours(model, asked):
    if model.config.decoder is not None:
        return model.logits(**asked)
    return model.transformer.logits(model.hidden(**asked))[:, 0]


@pytest.fixture(params=NAMES)
def base(request, tmp_path):
    """A stock folder, and our model of it."""
    name, folder = request.param, tmp_path / "base"
    model = stock(name)
    model.save_pretrained(folder)
    return name, type(model), folder, trivium.load(folder)


def test_peft_reads_ours_and_so_do_we(base, tmp_path):
    _, kind, folder, model = base
    asked = given(model.config)
    before = ours(model, asked)
    adapt(model.transformer, Lora(rank=3, alpha=5.0, targets=("q", "k", "v", "o", "up", "down", "patch")))
    with torch.no_grad():
        for layer in adapted(model.transformer).values():
            layer.lora_b.normal_(std=0.3)
        for name, parameter in model.transformer.named_parameters():
            if name.startswith("head.") and parameter.requires_grad:
                parameter.add_(1.0)
    save_adapter(tmp_path / "adapter", model.transformer, folder)
    read = peft.PeftModel.from_pretrained(kind.from_pretrained(folder), tmp_path / "adapter")
    wanted = ours(model, asked)
    assert not close(wanted, before)
    assert close(said(read, asked), wanted)
    again = trivium.load(folder)
    load_adapter(tmp_path / "adapter", again.transformer)
    assert close(ours(again, asked), wanted) and not adapted(again.transformer)
    merge(model.transformer)
    assert close(ours(model, asked), wanted)


def test_we_read_those_of_peft(base, tmp_path):
    name, kind, folder, model = base
    torch.manual_seed(3)
    config = peft.LoraConfig(r=4, lora_alpha=6, init_lora_weights=False, **NAMES[name])
    read = peft.get_peft_model(kind.from_pretrained(folder), config)
    with torch.no_grad():
        for parameter_name, parameter in read.named_parameters():
            if "modules_to_save" in parameter_name:
                parameter.add_(0.5)
    read.save_pretrained(tmp_path / "theirs")
    asked = given(model.config)
    before = ours(model, asked)
    load_adapter(tmp_path / "theirs", model.transformer)
    assert close(ours(model, asked), said(read, asked)) and not close(ours(model, asked), before)


OLD = {
    "trocr": {r"^encoder\.layers\.(\d+)\.attention\.q_proj": r"encoder.encoder.layer.\1.attention.attention.query"},
    "paligemma": {
        r"^model\.language_model\.": "language_model.model.",
        r"^model\.vision_tower\.": "vision_tower.vision_model.",
    },
    "paligemma 4.52": {r"^model\.vision_tower\.": "model.vision_tower.vision_model."},
}


@pytest.mark.parametrize("name", OLD)
def test_the_names_of_older_versions_are_read(name, tmp_path):
    model = stock(name.split()[0])
    model.save_pretrained(tmp_path / "base")
    read = peft.get_peft_model(model, peft.LoraConfig(r=2, init_lora_weights=False, target_modules=["q_proj"]))
    read.save_pretrained(tmp_path / "new")
    (tmp_path / "old").mkdir()
    old, tree = {}, json.loads((tmp_path / "new" / CONFIG).read_text())
    for key, value in load_file(tmp_path / "new" / WEIGHTS).items():
        key = key.removeprefix(ROOT)
        for new, before in OLD[name].items():
            key = re.sub(new, before, key)
        old[ROOT + key] = value
    save_file(old, tmp_path / "old" / WEIGHTS)
    names = sorted({key.removeprefix(ROOT).rpartition(".lora_")[0] for key in old})
    (tmp_path / "old" / CONFIG).write_text(json.dumps({**tree, "target_modules": names}))
    first, second = (trivium.load(tmp_path / "base") for _ in range(2))
    load_adapter(tmp_path / "new", first.transformer)
    load_adapter(tmp_path / "old", second.transformer)
    asked = given(first.config)
    assert {*old} != {*load_file(tmp_path / "new" / WEIGHTS)}
    assert close(ours(second, asked), ours(first, asked))


def test_an_adapter_of_another_model_is_refused(tmp_path):
    model = stock("trocr")
    model.save_pretrained(tmp_path / "base")
    peft.get_peft_model(stock("gpt2"), peft.LoraConfig(target_modules=["c_attn"])).save_pretrained(tmp_path / "adapter")
    with pytest.raises(ModelError, match=r"unexpected weights: decoder\.transformer\.h\.0\.attn\.c_attn\.lora_A"):
        load_adapter(tmp_path / "adapter", trivium.load(tmp_path / "base").transformer)
