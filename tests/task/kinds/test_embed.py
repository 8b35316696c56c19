"""What retrieval learns, and what it leaves out."""

import json

import numpy as np
import pytest
import torch

import small
import trivium
from talk import record
from tolerance import close
from trivium.rows.kinds.group import TextGroup
from trivium.task.metric.ranking import ranking_metrics
from trivium.task.task import task_of


def test_a_text_does_not_find_itself(tmp_path):
    made = [{"query": "x", "positive": "y", "label": "k"}, {"query": "y", "positive": "x", "label": "k"}]
    file = small.rows(tmp_path / "r.jsonl", made)
    assert task_of("embed").measure(small.model("bert"), [file])["recall@1"] == 1
    same = np.array([[False, True], [True, False]])
    assert ranking_metrics(np.eye(2)[::-1], np.ones((2, 2), dtype=bool), same)["recall@1"] == 1


@pytest.mark.parametrize(
    "made",
    [
        [{"anchor": f"{p} {i}", "positive": p} for p in "AB" for i in range(2)],
        [{"anchor": a, "positive": f"{a} {i}"} for a in "AB" for i in range(2)],
        [{"anchor": f"q {p} {i}", "positive": f"{p} {i}", "label": 0 if p == "A" else 1} for p in "AB" for i in "12"],
    ],
)
def test_a_perfect_retriever_over_equal_texts_or_labels_finds_all(made):
    records = [record(TextGroup, row) for row in made]
    sides = [
        torch.tensor([[1.0, 0] if "A" in row[key] else [0, 1.0] for row in made]) for key in ("anchor", "positive")
    ]
    found = task_of("embed").metrics(small.model("bert"), records, list(zip(*sides, strict=True)))
    assert found["rows"] == 4 and found["recall@1"] == found["mrr@10"] == found["ndcg@10"] == 1


@pytest.mark.parametrize("preset", ["bert", "llama"])
def test_embed_brings_together_what_belongs_together(tmp_path, preset):
    made = [
        {"anchor": f"{w} {i}", "positive": f"{j} {w}", "negative": [f"zz {i}"]}
        for w in ("aa", "bb", "cc", "dd")
        for i, j in ((1, 2), (3, 4))
    ]
    before = small.model(preset)
    folder, found = small.tuned(tmp_path, "embed", preset, made, ["budget_epochs=30", "micro_rows=8"])
    after = trivium.load(folder)
    near = lambda m: float((lambda v: v[0] @ v[1] - v[0] @ v[2])(m.embed(["aa 1", "4 aa", "4 bb"])))
    assert found["recall@5"] == 1.0 and near(after) > near(before) + 0.2
    assert type(after.config.head) is type(before.config.head), "the model keeps the head that it had"
    assert after.record["vectors"]["pool"] == ["mean" if preset == "bert" else "last"]


def test_the_vector_is_pooled_as_it_was_trained_and_sentence_transformers_files_say_how(tmp_path):
    transformers = pytest.importorskip("transformers")
    made = [{"anchor": f"{w} 1", "positive": f"2 {w}"} for w in ("aa", "bb")]
    folder, _ = small.tuned(tmp_path, "embed", "bert", made, ["budget_epochs=1", "objective.pool=first"])
    model, text = trivium.load(folder), "aa " * 60  # longer than the model's context
    stock = transformers.AutoModel.from_pretrained(folder).eval()
    given = transformers.AutoTokenizer.from_pretrained(folder)(text, truncation=True, return_tensors="pt")
    with torch.no_grad():
        state = stock(**given).last_hidden_state[0, 0]
    assert close(model.embed([text])[0], state / state.norm())
    steps = json.loads((folder / "modules.json").read_text())
    assert [step["path"] for step in steps] == ["", "1_Pooling", "2_Normalize"]
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    assert pooling["pooling_mode_cls_token"] and pooling["word_embedding_dimension"] == 32
    assert json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"] == 64
    model.save(folder)
    assert (folder / "2_Normalize").is_dir(), "a folder of vectors is replaced by its like"


def test_a_folder_of_sentence_transformers_says_how_its_vectors_are_pooled(tmp_path):
    model = small.model("bert")
    model.record = {"vectors": {"pool": "first"}}
    folder = model.save(tmp_path / "m")
    (folder / "trivium.json").unlink()  # as others wrote it
    assert close(trivium.load(folder).embed(["a b"]), model.embed(["a b"], pool="first"))
