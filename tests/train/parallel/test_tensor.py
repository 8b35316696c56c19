import pytest

import tiny
from spread import LAYOUTS, PRESETS, compared
from trivium.base.errors import ConfigError
from trivium.train.parallel.layout import evenly

VARIANTS = {
    "grouped keys and norms of heads": {"decoder": {"kv_heads": 2, "heads": 4, "qk_norm": "rms"}, "tie": False},
    "slopes of heads": {"decoder": {"position": "alibi", "heads": 4}},
    "a bias of the head, and of matrices": {"decoder": {"bias": True, "ffn": "gelu"}, "head": {"bias": True}},
}


@pytest.mark.slow
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if "tensor" in name])
@pytest.mark.parametrize("family", PRESETS)
def test_neighbours_learn_as_one_process_does(tmp_path, family, layout):
    compared(tmp_path, family, layout)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_of_layers_are_split_too(tmp_path, variant):
    compared(tmp_path, "decoder", "fsdp and tensor", 8, tree=VARIANTS[variant])


@pytest.mark.parametrize(
    ("model", "size", "told"),
    [
        (tiny.model(), 3, "model.vocab_size: 64 cannot be shared evenly by the 3 processes"),
        (tiny.model(heads=2), 4, "model.decoder.heads: 2 cannot"),
        (tiny.model(heads=4, kv_heads=1), 2, "model.decoder.kv_heads: 1 cannot"),
        (tiny.model("bert", tree={"encoder": {"ffn": {"size": 33}}}), 2, r"model.encoder.ffn.size: 33 cannot"),
    ],
)
def test_sizes_that_neighbours_cannot_share_are_named(model, size, told):
    with pytest.raises(ConfigError, match=told):
        evenly(model.config, size)


def test_what_cannot_be_split_is_named(tmp_path):
    told = compared(tmp_path, "decoder", "tensor", 1, tree={"decoder": {"qk_norm": "rms_joint"}}, alone=False)
    assert "decoder.blocks.0.attention.q_norm (JointRMSNormModule) cannot be split" in told
