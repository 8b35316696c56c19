"""Text to text: an encoder-decoder model learns every task in words."""

import json

import pytest

import small
from trivium.task.predict import predict_file


@pytest.mark.parametrize(("task", "row"), [
    ("translate", {"source": "one", "target": "eins"}), ("summarize", {"document": "long text", "summary": ["short"]}),
    ("classify", {"text": "ice", "label": "cold"}), ("chat", {"question": "q", "context": "", "answer": "a"}),
])  # fmt: skip
def test_text_to_text_is_how_an_encoder_decoder_learns(tmp_path, task, row):
    pytest.importorskip("sacrebleu")
    folder, found = small.tuned(tmp_path, task, "t5", [row] * 24, ["optim.lr=2e-2", "budget_epochs=30"])
    best = {"translate": "exact_match", "summarize": "rouge_l"}.get(task, "exact_match")
    assert found[best] == 1.0
    predict_file(folder, tmp_path / f"{task}.jsonl", tmp_path / "out.jsonl")
    said = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["answer"]
    assert said == next(str(v) if isinstance(v, str) else v[0] for v in [row[list(row)[-1]]])
