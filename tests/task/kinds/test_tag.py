"""Words are called what they were shown to be called."""

import json

import pytest
import torch

import small
import trivium
from trivium.rows.kinds.tagged import TaggedWords
from trivium.task.predict import predict_file


@pytest.mark.parametrize("preset", ["bert", "llama"])
def test_tag_learns(tmp_path, preset):
    made = [{"tokens": ["see", name, "now"], "tags": ["O", "B-who", "O"]} for name in ("Ann", "Bob", "Eve", "Mallory")]
    folder, found = small.tuned(tmp_path, "tag", preset, made * 6)
    assert found["entity_f1"] == 1.0
    out = tmp_path / "said.jsonl"
    assert predict_file(folder, small.rows(tmp_path / "in.jsonl", [{"tokens": ["see", "Bob", "now"]}]), out) == 1
    assert json.loads(out.read_text())["tags"] == ["O", "B-who", "O"]
    transformers = pytest.importorskip("transformers")
    stock = transformers.AutoModelForTokenClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    given = tokenizer(["see", "Bob", "now"], is_split_into_words=True, return_tensors="pt")
    example, at = TaggedWords(tokens=("see", "Bob", "now")).laid(trivium.load(folder).layout())
    ids = torch.tensor(example.enc if example.enc is not None else example.dec)[None]
    with torch.no_grad():
        found = stock(input_ids=ids).logits[0, at].argmax(-1)
    assert [stock.config.id2label[int(i)] for i in found] == ["O", "B-who", "O"] and given["input_ids"].numel()
