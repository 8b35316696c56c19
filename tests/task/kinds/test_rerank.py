"""A score for each pair: learned, ranked within its query, and the same in the stock classes."""

import json

import pytest

import small
import trivium
from trivium.base.errors import DataError, ModelError
from trivium.rows.kinds.scored import ScoredPair
from trivium.task.kinds.rerank import RerankTask
from trivium.task.predict import evaluate_files, predict_file, task_for

PAIRS = [("red 1", "red 7"), ("blue", "red red red"), ("q", "x" * 99)]
WORDS = ("red", "blue")


def rows():
    return [{"query": f"{a}{i}", "passage": b, "label": int(a == b)} for a in WORDS for b in WORDS for i in range(8)]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    return small.tuned(tmp_path_factory.mktemp("rerank"), "rerank", "bert", rows(), ["budget_epochs=30"])


def test_rerank_learns_and_stock_gives_the_same_scores(tuned, tmp_path):
    transformers = pytest.importorskip("transformers")
    folder, found = tuned
    assert found["accuracy"] == found["mrr@10"] == found["recall@1"] == 1 and found["queries"] == 16
    file = small.rows(tmp_path / "in.jsonl", [{"query": a, "passage": b} for a, b in PAIRS])
    assert predict_file(folder, file, tmp_path / "out.jsonl") == 3
    said = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(one["query"], one["passage"]) for one in said] == PAIRS
    stock = transformers.pipeline("text-classification", str(folder), tokenizer=str(folder))
    asked = [{"text": a, "text_pair": b} for a, b in PAIRS]
    wanted = [one["score"] for one in stock(asked, truncation=True)]
    assert [one["score"] for one in said] == pytest.approx(wanted, abs=2e-6)
    assert len({round(score, 3) for score in wanted}) > 1, "the pairs are told apart"


def test_a_cross_encoder_of_sentence_transformers_gives_the_same_scores(tuned):
    oracle = pytest.importorskip("sentence_transformers")
    stock = oracle.CrossEncoder(str(tuned[0]))
    assert trivium.load(tuned[0]).score(PAIRS) == pytest.approx(stock.predict(PAIRS).tolist(), abs=1e-6)


@pytest.mark.parametrize("problem_type", [None, "regression"])
def test_a_head_with_one_label_is_tuned_on_as_it_is(problem_type, tmp_path):
    model = small.model("bert")
    model.equip("classify", ("relevance",), problem_type=problem_type, activation_fn="identity")
    folder = model.save(tmp_path / "m")
    file = str(small.rows(tmp_path / "r.jsonl", rows()))
    again = small.recipe_for("rerank", folder, [file], [file], [*small.FAST, "optim.lr=1e-12", "budget_epochs=1"])
    kept, _ = small.finetune("rerank", again, tmp_path / "again")
    assert trivium.load(kept).score(PAIRS) == pytest.approx(model.score(PAIRS), abs=1e-6)
    assert trivium.load(kept).config.head == model.config.head


def test_any_number_is_learned_as_a_regression(tmp_path):
    made = [{"text": "x" * n, "score": n / 4 - 1} for n in (1, 9)] * 12
    words = ["objective.problem_type=regression", "budget_epochs=60", "optim.lr=1e-2"]
    folder, found = small.tuned(tmp_path, "rerank", "llama", made, words)
    assert found["pearson"] > 0.99 and found["rmse"] < 0.5
    config = json.loads((folder / "config.json").read_text())
    assert config["problem_type"] == "regression" and len(config["id2label"]) == 1
    assert config["sentence_transformers"] == {"activation_fn": "torch.nn.modules.linear.Identity"}
    assert trivium.load(folder).classify(["x"])[0]["LABEL_0"] == trivium.load(folder).score(["x"])[0]


def test_passages_are_ranked_within_their_query():
    made = [("a", 0.9, 0), ("a", 0.8, 1), ("b", 0.1, 1), ("b", 0.05, 0), ("b", 0.2, 0), ("c", 0.3, 0)]
    records = [ScoredPair(query=query, passage="p", score=right) for query, _, right in made]
    found = RerankTask().metrics(small.model("bert"), records, [score for _, score, _ in made])
    assert found["mrr@10"] == found["recall@1"] + 1 / 2 == 1 / 2, "the right one is second twice; c has none"
    assert (found["rows"], found["queries"], found["accuracy"]) == (6, 3, 4 / 6)
    graded = [ScoredPair(query="a", score=score) for score in (0.1, 0.5, 0.9)]
    assert RerankTask().metrics(small.model("bert"), graded, [1.0, 2.0, 3.0])["spearman"] == pytest.approx(1)


def test_the_number_of_labels_says_the_task(tmp_path):
    model = small.model("bert")
    model.equip("classify", ("a", "b"))
    assert task_for(model).kind == "classify"
    with pytest.raises(ModelError, match="no head with one label"):
        model.score(["x"])
    file = small.rows(tmp_path / "r.jsonl", rows())
    with pytest.raises(ModelError, match=r"rerank: expected .* with one label, found classify with 2 labels"):
        evaluate_files(model.save(tmp_path / "two"), [file], "rerank")
    model.equip("classify", ("a",), problem_type=None)
    assert task_for(model).kind == "rerank"
    with pytest.raises(ModelError, match=r"classify: expected .* with several labels, found classify with 1 label"):
        evaluate_files(model.save(tmp_path / "one"), [file], "classify")


def test_a_score_out_of_range_is_named_with_its_place(tmp_path):
    with pytest.raises(DataError, match=r"rerank\.jsonl:2: score: expected a number from 0 to 1, found 4; objective"):
        small.tuned(tmp_path, "rerank", "bert", [{"query": "a", "score": 1}, {"query": "a", "score": 4}])


def test_texts_are_cut_as_the_tokenizer_says(tuned, tmp_path):
    transformers = pytest.importorskip("transformers")
    model = trivium.load(tuned[0])
    model.tokenizer.config["model_max_length"] = 9
    folder = model.save(tmp_path / "m")
    stock = transformers.pipeline("text-classification", str(folder), tokenizer=str(folder))
    wanted = [one["score"] for one in stock([{"text": a, "text_pair": b} for a, b in PAIRS], truncation=True)]
    assert trivium.load(folder).score(PAIRS) == model.score(PAIRS) == pytest.approx(wanted, abs=2e-6)
    assert wanted != pytest.approx(trivium.load(tuned[0]).score(PAIRS), abs=2e-6)
    file = str(small.rows(tmp_path / "r.jsonl", rows()[:1]))
    opened, counts = RerankTask().open(model, [file], small.recipe_for("rerank", folder, [file]), 64)
    assert len(opened.row(0, 0)[0]) == 9 and sum(counts.values()) == 1


@pytest.mark.parametrize("activation_fn", [None, "sigmoid", "identity"])
def test_the_score_is_what_the_folder_makes_of_it(activation_fn):
    model = small.model("bert")
    model.equip("classify", ("a",), problem_type=None, activation_fn=activation_fn)
    ids = [[1, *model.tokenizer.encode("x"), 2]]
    logit = model.transformer.head(model.hidden(ids)[:, 0])[0].detach()
    wanted = logit if activation_fn == "identity" else logit.sigmoid()
    assert model.score(["x"]) == pytest.approx(wanted.tolist())
