"""A model folder is scored on held-out documents of its own tokenizer, in rows of any length."""

import math
from pathlib import Path

import pytest
import torch

import small
from trivium import api
from trivium.base.errors import DataError, ModelError, NumericsError
from trivium.corpus.prepare import Preparation, prepare
from trivium.data.shards import Corpus
from trivium.objective.masked import MaskedLM
from trivium.task.evaluate import objective_of, score_folder
from trivium.token.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    (folder / "a.txt").write_text("one two three four\nfive six\n" * 15)
    prepare([folder / "a.txt"], folder / "data", Preparation(tokenizer="bytes", valid_share=0.4))
    return folder / "data"


def model() -> api.Model:
    torch.manual_seed(0)
    return api.Model(api.build("llama", depth=1, vocab_size=384, context=32).transformer, Tokenizer.bytes())


def test_a_uniform_model_has_the_loss_of_its_vocabulary(data: Path) -> None:
    uniform = model()
    with torch.no_grad():
        uniform.transformer.head.weight.zero_()
    score = score_folder(uniform, data)
    content = Corpus(data, "valid").bytes
    assert score.loss == pytest.approx(math.log(384), abs=1e-5)
    assert score.targets == content + 1  # every byte, and the end
    assert score.bits_per_byte == pytest.approx(math.log2(384), abs=1e-4)


def test_a_saved_folder_scores_as_the_model_in_memory(data: Path, tmp_path: Path) -> None:
    model().save(tmp_path / "m")
    assert score_folder(tmp_path / "m", data, 16) == score_folder(model(), data, 16)


def test_a_loss_that_is_not_finite_is_no_score(data: Path) -> None:
    large = model()
    with torch.no_grad():
        large.transformer.decoder.blocks[0].ffn.up.weight.fill_(3e38)
    with pytest.raises(NumericsError, match=r"is not finite: first the output of decoder\.blocks\.0\.ffn") as told:
        score_folder(large, data)
    assert told.value.exit_code == 4


def test_another_tokenizer_is_refused(data: Path) -> None:
    other = Tokenizer.train(["some words to train on " * 50 + "abc"], 384)
    with pytest.raises(DataError, match="another tokenizer"):
        score_folder(api.Model(model().transformer, other), data)


@pytest.mark.parametrize(
    ("preset", "changes", "kept", "kind"),
    [
        ("llama", {}, {"kind": "prefix"}, "causal"),
        ("bert", {}, None, "masked"),
        ("bert", {}, {"kind": "masked", "rate": 0.3}, "masked"),
        ("bert", {}, {"kind": "label"}, "masked"),
        ("t5", {}, None, "denoise"),
        ("t5", {}, {"kind": "instruct"}, "denoise"),
        ("bart", {}, {"kind": "infill", "permute": False}, "infill"),
    ],
)
def test_every_family_is_scored_by_what_it_learned(data: Path, capsys, preset, changes, kept, kind) -> None:
    model = small.model(preset)
    model.record = {} if kept is None else {"recipe": {"objective": kept}}
    with torch.no_grad():
        model.transformer.tokens.weight.zero_()
        model.transformer.head.weight.zero_()
    score = score_folder(model, data, 32)
    assert score.loss == pytest.approx(math.log(384), abs=1e-4) and score.targets > 0
    assert (score.bits_per_byte is None) is (kind != "causal")
    assert (f"scored by the objective {kind};" in capsys.readouterr().out) is (kind != "causal")
    if kept and kept.get("rate"):
        assert objective_of(model) == MaskedLM(rate=0.3)


def test_a_model_that_writes_no_tokens_is_refused(data: Path, tmp_path: Path) -> None:
    made = small.model("bert")
    bare = api.Model(api.build("bert", vocab_size=384, head="none", **small.SIZES["bert"]).transformer, made.tokenizer)
    with pytest.raises(ModelError, match="m: has no head over the vocabulary; evaluate it on files of rows"):
        score_folder(bare.save(tmp_path / "m"), data)
