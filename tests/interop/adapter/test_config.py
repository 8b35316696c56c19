"""adapter_config.json: the modules that peft targets, its patterns, and the base under PiSSA and OLoRA."""

import itertools
import json

import pytest
import torch

from trivium.base.errors import ModelError
from trivium.interop.adapter.config import PeftConfig, read_config

peft = pytest.importorskip("peft", reason="peft is the oracle of these tests")
other = pytest.importorskip("peft.utils.other")
tuners = pytest.importorskip("peft.tuners.tuners_utils")

NAMES = [
    f"{stem}.{layer}.{part}"
    for stem in ("model.layers", "model.decoder.layers", "h", "encoder.block")
    for layer in (0, 1, 11)
    for part in ("self_attn.q_proj", "self_attn.v_proj", "layer.0.SelfAttention.q", "q_proj.other")
] + ["lm_head", "model.embed_tokens", "q_proj"]
TARGETS = [["q_proj"], ["self_attn.q_proj", "lm_head"], ["q", "v_proj"], ["proj"], r".*\.1\..*(q|v)_proj", r"layers.*"]
EXCLUDED = [None, ["v_proj"], ["model.layers.1.self_attn.q_proj"], r".*\.11\..*"]
LAYERS = [None, [], [1], 11, [0, 11]]
STACKS = [None, [], "layers", ["h", "block"]]
SAVED = [None, ["lm_head"], ["embed_tokens", "layers.0.self_attn"]]


def test_the_modules_are_those_of_peft():
    count = 0
    for target, out, layers, stacks, saved in itertools.product(TARGETS, EXCLUDED, LAYERS, STACKS, SAVED):
        if (isinstance(target, str) and (layers is not None or stacks is not None)) or (stacks and layers is None):
            continue  # peft refuses them
        keys = {"target_modules": target, "exclude_modules": out, "modules_to_save": saved}
        keys |= {"layers_to_transform": layers, "layers_pattern": stacks}
        theirs = peft.LoraConfig(**keys)
        ours = PeftConfig.model_validate({key: value for key, value in keys.items() if value is not None})
        for name in NAMES:
            count += 1
            assert ours.targets(name) == bool(tuners.check_target_module_exists(theirs, name)), (keys, name)
    assert count > 10_000


@pytest.mark.parametrize(
    "pattern", ["q_proj", "^model.layers.0.*", r"layers\.[01]\..*", r".*\.1\.self_attn\.(q|v)_proj"]
)
def test_a_pattern_matches_what_it_matches_in_peft(pattern):
    config = PeftConfig(lora_alpha=3, alpha_pattern={pattern: 7, ".*": 5}, r=4, use_rslora=True)
    for name in NAMES:
        expected = config.alpha_pattern[other.get_pattern_key(config.alpha_pattern, name)]
        assert config.scale(name, 4) == expected / 2
    with pytest.raises(ModelError, match="expected an adapter of rank 4, found rank 5"):
        config.scale("h.0.q", 5)


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (6, 6)])
def test_the_base_is_what_is_left_of_the_matrix(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    assert PeftConfig().base(matrix, 2, 0.5) is matrix
    left = PeftConfig(init_lora_weights="pissa").base(matrix, 2, 0.5)
    assert torch.allclose(torch.linalg.svdvals(left)[:-2], torch.linalg.svdvals(matrix)[2:], atol=1e-5)
    q, r = torch.linalg.qr(matrix)
    left = PeftConfig(init_lora_weights="olora").base(matrix, 2, 1.0)
    assert torch.allclose(left, q[:, 2:] @ r[2:], atol=1e-5)


def test_what_is_no_adapter_is_told_in_one_line(tmp_path):
    file = tmp_path / "adapter_config.json"
    for tree, told in (([], "expected an object, found list"), ({}, "peft_type = None is not supported")):
        file.write_text(json.dumps(tree))
        with pytest.raises(ModelError, match=told):
            read_config(file)
