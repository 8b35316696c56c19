"""BertForMaskedLM: which settings of either side the other does not have. That the rest is equal: test_stock."""

import pytest
import torch
from safetensors.torch import load_file, save_file

import trivium
from carried import SMALL, reason_against
from trivium.base.errors import ModelError
from trivium.interop.families import by_type

bert = by_type("bert")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"residual": "pre"}, "encoder.residual: pre, BertForMaskedLM has post"),
        ({"norm": "rms"}, "encoder.norm: rms, BertForMaskedLM has layer"),
        ({"tie": False}, "tie: False, BertForMaskedLM has True"),
        ({"head": "lm"}, "head: lm, BertForMaskedLM has mlm"),
        ({"head": {"activation": "relu"}}, "head.activation: relu, BertForMaskedLM has gelu"),
        ({"position": {"kind": "learned", "offset": 2}}, "encoder.position.0.offset: 2, BertForMaskedLM has 0"),
        ({"position": "rope"}, "encoder.position.0: rope, BertForMaskedLM has learned"),
        ({"heads": 3, "head_size": 8}, "encoder: hidden_size 32 is not a multiple of heads 3"),
    ],
)
def test_a_choice_that_the_stock_class_has_not_is_named(changes: dict, reason: str) -> None:
    assert reason_against("bert", changes).startswith(reason)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"position_embedding_type": "relative_key"}, 'position_embedding_type: "relative_key" is not supported'),
        ({"is_decoder": True}, "is_decoder: true is not supported, expected false"),
    ],
)
def test_a_stock_setting_that_we_do_not_have_is_named(changes: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        bert.read(changes)


def test_files_of_2018_are_read(tmp_path) -> None:
    """Norms with gamma and beta, a pooler, a head for the next sentence, and no second copy of what is tied."""
    model = trivium.build("bert", **SMALL)
    model.save(tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    state = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for key, tensor in load_file(file).items()
    }
    assert "bert.embeddings.LayerNorm.gamma" in state and "cls.predictions.transform.LayerNorm.beta" in state
    extra = {"bert.pooler.dense.weight": (32, 32), "bert.pooler.dense.bias": (32,), "cls.seq_relationship.bias": (2,)}
    save_file({**state, **{key: torch.ones(shape) for key, shape in extra.items()}}, file, metadata={"format": "pt"})
    (tmp_path / "model" / "trivium.json").unlink()  # as another program would have written it
    ids = [[5, 6, 7]]
    assert torch.equal(trivium.load(tmp_path / "model").logits(ids), model.logits(ids))
