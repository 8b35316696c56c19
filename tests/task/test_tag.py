"""Words are called what they were shown to be called."""

import json

import pytest

import small
from trivium.task.predict import predict_file


@pytest.mark.parametrize("preset", ["bert", "llama"])
def test_tag_learns(tmp_path, preset):
    made = [{"tokens": ["see", name, "now"], "tags": ["O", "B-who", "O"]} for name in ("Ann", "Bob", "Eve", "Mallory")]
    folder, found = small.tuned(tmp_path, "tag", preset, made * 6)
    assert found["entity_f1"] == 1.0
    out = tmp_path / "said.jsonl"
    assert predict_file(folder, small.rows(tmp_path / "in.jsonl", [{"tokens": ["see", "Bob", "now"]}]), out) == 1
    assert json.loads(out.read_text())["tags"] == ["O", "B-who", "O"]
