"""Answers are found in contexts, in windows too, and stock classes agree."""

import json

import pytest
import torch

import small
import trivium
from trivium.base.errors import DataError
from trivium.task.predict import predict_file


def question(n):
    context = f"It rained. The code is {n}{n}{n}. Then it stopped, and they went on to the town."
    answers = {"text": [f"{n}{n}{n}"], "answer_start": [context.index(f"{n}{n}{n}")]}
    return {"question": "code?", "context": context, "answers": answers, "id": str(n)}


def test_extract_learns_and_stock_scores_agree(tmp_path):
    transformers = pytest.importorskip("transformers")
    made = [question(n) for n in range(4, 8)] * 3
    words = ["budget_epochs=16", "optim.lr=1e-2"]
    folder, found = small.tuned(tmp_path, "extract", "bert", made, words, context=128)
    assert found["exact_match"] == found["f1"] == 1.0
    stock = transformers.AutoModelForQuestionAnswering.from_pretrained(folder, attn_implementation="eager").eval()
    given = transformers.AutoTokenizer.from_pretrained(folder)("code?", question(7)["context"], return_tensors="pt")
    with torch.no_grad():
        scores = stock(**given)
    start, end = int(scores.start_logits.argmax()), int(scores.end_logits.argmax())
    source = small.rows(tmp_path / "in.jsonl", [question(7)])
    predict_file(folder, source, tmp_path / "out.jsonl")
    said = json.loads((tmp_path / "out.jsonl").read_text())["answer"]
    assert said == trivium.load(folder).tokenizer.decode(given["input_ids"][0, start : end + 1].tolist()) == "777"


def test_a_long_context_is_read_in_windows(tmp_path):
    made = [question(n) for n in range(4)] * 3
    words = ["budget_epochs=12", "objective.stride=16", "optim.lr=1e-2"]
    _, found = small.tuned(tmp_path, "extract", "bert", made, words)
    assert found["exact_match"] > 0.8


def test_questions_without_an_answer_must_be_asked_for(tmp_path):
    made = [question(1), {"question": "who?", "context": "Nobody came.", "answers": {"text": [], "answer_start": []}}]
    with pytest.raises(DataError, match=r"extract\.jsonl:2: answers: expected at least one, .*unanswerable=true"):
        small.tuned(tmp_path, "extract", "bert", made)
    (tmp_path / "two").mkdir()
    words = ["objective.unanswerable=true", "budget_epochs=20"]
    _, found = small.tuned(tmp_path / "two", "extract", "bert", made[1:] * 8, words)
    assert found["exact_match"] == 1.0
