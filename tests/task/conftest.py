import json

import pytest

from runs import LINES, pretraining
from trivium.corpus.prepare import Preparation, prepare
from trivium.task.run import run


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("task")
    for number in range(24):
        text = "\n".join(LINES[(number + i) % 3] + f" {number * i}" for i in range(3))
        (folder / f"{number:02d}.txt").write_text(text)
    prepare([folder], folder / "data", Preparation(tokenizer="bytes", near=None, valid_share=0.2))
    return folder / "data"


@pytest.fixture(scope="session")
def questions(tmp_path_factory):
    file = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    rows = [{"question": f"What is {n}?", "context": "", "answer": f"A number, {n}."} for n in range(12)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture(scope="session")
def pretrained(data, tmp_path_factory):
    return run(pretraining(data), tmp_path_factory.mktemp("runs") / "first")
