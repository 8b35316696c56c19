"""A model folder is scored on held-out documents of its own tokenizer, in rows of any length."""

import math
from pathlib import Path

import pytest
import torch

from trivium import api
from trivium.base.errors import DataError
from trivium.data.prepare import Preparation, prepare
from trivium.data.shards import Corpus
from trivium.task.evaluate import score_folder
from trivium.text.tokenizer import Tokenizer


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


def test_another_tokenizer_is_refused(data: Path) -> None:
    other = Tokenizer.train(["some words to train on " * 50 + "abc"], 384)
    with pytest.raises(DataError, match="another tokenizer"):
        score_folder(api.Model(model().transformer, other), data)
