"""Texts and pairs of texts are told apart, and stock classes read the folder alike."""

import json

import pytest
import torch

import small
import trivium
from talk import record
from tolerance import close
from trivium.rows.kinds.text import LabelledText, parted
from trivium.task.kinds.classify import ClassifyTask


@pytest.mark.parametrize("preset", ["bert", "modernbert", "llama", "bart"])
def test_classify_learns_and_stock_classes_agree(tmp_path, preset):
    transformers = pytest.importorskip("transformers")
    folder, found = small.tuned(tmp_path, "classify", preset, small.labelled(), head=True)
    assert found["accuracy"] == 1.0 and found["confusion"] == [[24, 0], [0, 24]]
    texts = ["ice 3", "fire, fire and more fire", "neither"]
    stock = transformers.AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    assert stock.config.id2label == {0: "cold", 1: "hot"}
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for text, scores in zip(texts, trivium.load(folder).classify(texts), strict=True):
        with torch.no_grad():
            theirs = stock(**tokenizer(text, return_tensors="pt")).logits[0].softmax(-1)
        assert close(torch.tensor(list(scores.values())), theirs)
    record = json.loads((folder / "trivium.json").read_text())
    assert record["evaluation"]["classify"]["accuracy"] == 1.0


def test_several_labels_of_a_text(tmp_path):
    made = [
        {"text": f"{a} {b}", "labels": [n for n in (a, b) if n != "none"]}
        for a in ("red", "none")
        for b in ("big", "none")
        for _ in range(12)
    ]
    folder, found = small.tuned(tmp_path, "classify", "bert", made, ["budget_epochs=60"])
    assert found["accuracy"] == 1.0 and "confusion" not in found
    assert trivium.load(folder).config.head.multi_label


def test_pairs_are_told_apart_by_token_types(tmp_path):
    transformers = pytest.importorskip("transformers")
    made = [{"text": a, "text_pair": b, "label": int(a == b)} for a in "xyz" for b in "xyz" for _ in range(4)]
    folder, _ = small.tuned(tmp_path, "classify", "bert", made, ["budget_epochs=1"])
    stock = transformers.AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    given = transformers.AutoTokenizer.from_pretrained(folder)("x y", "z", return_tensors="pt")
    scores = trivium.load(folder).classify([("x y", "z")])[0]
    assert given["token_type_ids"].max() == 1
    with torch.no_grad():
        assert close(torch.tensor(list(scores.values())), stock(**given).logits[0].softmax(-1))


def test_the_same_seed_gives_the_same_head(tmp_path):
    scores = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        folder, _ = small.tuned(tmp_path / str(number), "classify", "bert", small.labelled(), ["budget_epochs=1"])
        scores.append(trivium.load(folder).classify(["ice 3"]))
    assert scores[0] == scores[1]


def test_labels_in_words_survive_commas_and_quotation_marks():
    made = [["Food, Drink"], ["Sport"], ["Food, Drink", "Sport"], ['"A", B', "a,b", 'c "d"'], ['"']]
    task, records = ClassifyTask(), [record(LabelledText, {"text": "t", "label": label}) for label in made]
    said = [task.heard(one, one.chat({}).references[0]) for one in records]
    assert [one["label"] for one in said] == made
    assert task.metrics(small.model("bart"), records, said)["accuracy"] == 1
    assert parted("a, b") == ["a", "b"] and parted(" a,  b ") == ["a", "b"] and parted("") == []
    alone = record(LabelledText, {"text": "t", "label": "Food, Drink"})
    assert alone.chat({}).references == ("Food, Drink",) and task.heard(alone, "Food, Drink")["label"] == "Food, Drink"
