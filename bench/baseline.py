"""Scores of simple baselines on the data sets of `bench/rows.py`, for comparison with trained models.

    pip install scikit-learn
    python bench/baseline.py [ROWS] [-o bench/results/baseline.json]

classify: logistic regression on TF-IDF of words and of characters. Retrieval: cosine of TF-IDF. Chat and translation:
the answer of the nearest training question (TF-IDF of characters). Summaries: the first sentence of the document.
Extraction: the sentence of the context with the largest overlap with the question. Preferences: logistic regression on
the difference of TF-IDF, and the longer answer. Scores are those of `trivium.task.metric.overlap`.
"""

import argparse
import json
import re
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from trivium.task.metric.overlap import measure
from trivium.task.metric.ranking import ranking_metrics
from trivium.task.metric.squad import squad_metrics

Rows = list[dict[str, Any]]


def load(folder: Path, split: str) -> Rows:
    """Return the rows of a split."""
    with open(folder / f"{split}.jsonl", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


class Features:
    """TF-IDF of words and pairs of words, and of runs of two to five characters."""

    def __init__(self, texts: list[str]) -> None:
        self.parts = [
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=1),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2),
        ]
        for part in self.parts:
            part.fit(texts)

    def __call__(self, texts: list[str]) -> Any:
        return hstack([part.transform(texts) for part in self.parts]).tocsr()


def classify(train: Rows, test: Rows) -> dict[str, float]:
    """Return accuracy and macro F1."""
    features = Features([row["text"] for row in train])
    model = LogisticRegression(C=10.0, max_iter=300)
    model.fit(features([row["text"] for row in train]), [row["label"] for row in train])
    found = model.predict(features([row["text"] for row in test]))
    right = np.array([row["label"] for row in test])
    scores = []
    for label in np.unique(right):
        hits = int(((found == label) & (right == label)).sum())
        scores.append(2 * hits / max(int((found == label).sum() + (right == label).sum()), 1))
    return {"accuracy": float((found == right).mean()), "macro_f1": float(np.mean(scores))}


def retrieve(train: Rows, test: Rows) -> dict[str, float]:
    """Return how often the nearest other sentence has the same intent."""
    asked, sought = [row["query"] for row in test], [row["positive"] for row in test]
    features = Features([row["query"] for row in train])
    same = np.array(asked)[:, None] == np.array(sought)
    near = (features(asked) @ features(sought).T).toarray()
    labels = np.array([row["label"] for row in test])
    return ranking_metrics(near, labels[:, None] == labels, same)


def nearest(
    train: Rows, test: Rows, asked: Callable[[Rows], list[str]], answered: Callable[[Rows], list[str]]
) -> list[str]:
    """Return, for each test question, the answer to the nearest training question."""
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    table = vectors.fit_transform(asked(train))
    answers, out = answered(train), []
    for at in range(0, len(test), 256):
        near = vectors.transform(asked(test[at : at + 256])) @ table.T
        out += [answers[int(i)] for i in np.asarray(near.argmax(axis=1)).ravel()]
    return out


def lead(rows: Rows) -> list[str]:
    """Return the first sentence of each document."""
    return [re.split(r"(?<=[.!?])\s", row["document"], maxsplit=1)[0] for row in rows]


def sentence(row: dict[str, Any]) -> str:
    """Return the sentence of the context that shares most pieces with the question."""
    parts = [part for part in re.split(r"(?<=[.!?。！？])\s*", row["context"]) if part.strip()]
    pieces = lambda text: set(re.findall(r"[a-z0-9]+|[\u4e00-\u9fff]", text.lower()))
    return max(parts, key=lambda part: len(pieces(part) & pieces(row["question"])) / (1 + len(pieces(part))) ** 0.5)


def prefer(train: Rows, test: Rows) -> dict[str, float]:
    """Return the accuracy of a linear classifier, and of taking the longer answer."""
    features = Features([row[side] for row in train for side in ("chosen", "rejected")])
    change = lambda rows: features([row["chosen"] for row in rows]) - features([row["rejected"] for row in rows])
    there = change(train)
    sign = np.where(np.arange(len(train)) % 2, 1, -1)
    model = LogisticRegression(C=10.0, max_iter=300, fit_intercept=False).fit(there.multiply(sign[:, None]), sign)
    longer = np.mean([len(row["chosen"]) > len(row["rejected"]) for row in test])
    return {"accuracy": float((model.predict(change(test)) == 1).mean()), "accuracy_longer": float(longer)}


def asked(rows: Rows) -> list[str]:
    """Return the prompt of a row."""
    keys = ("question", "instruction", "input", "source")
    return ["\n".join(str(row[key]) for key in keys if row.get(key)) or row["dialogue"][-1]["text"] for row in rows]


def right(rows: Rows) -> list[list[str]]:
    """Return the references of a row."""
    keys = ("answer", "outputs", "target", "response", "summary")
    found = [next(row[key] for key in keys if key in row) for row in rows]
    return [[one] if isinstance(one, str) else one for one in found]


def turns(row: dict[str, Any]) -> Rows:
    """Split a dialogue into pairs of a turn and its answer; return any other row unchanged."""
    if "dialogue" not in row:
        return [row]
    said = [*row["dialogue"], {"speaker": "assistant", "text": row["response"]}]
    return [
        {"dialogue": [before], "response": after["text"]}
        for before, after in pairwise(said)
        if after["speaker"] == "assistant"
    ]


def write(train: Rows, test: Rows) -> dict[str, float]:
    """Score the nearest training answer; in a dialogue each answer is a row, with the turn before as prompt."""
    train = [part for row in train for part in turns(row)]
    said = nearest(train, test, asked, lambda rows: [row[0] for row in right(rows)])
    return measure(("exact_match", "rouge_l", "bleu", "chrf"), said, right(test))


def summarize(train: Rows, test: Rows) -> dict[str, float]:
    """Score the first sentence."""
    return measure(("rouge_1", "rouge_2", "rouge_l"), lead(test), right(test))


def extract(train: Rows, test: Rows) -> dict[str, float]:
    """Score the best sentence as a whole."""
    said, right = [sentence(row) for row in test], [row["answers"]["text"] for row in test]
    return squad_metrics(said, right, [row["context"] for row in test])


SETS: dict[str, Callable[[Rows, Rows], dict[str, float]]] = {
    "polarity": classify,
    "sms": classify,
    "clinc": classify,
    "clinc-pairs": retrieve,
    "sgd": write,
    "gsm8k": write,
    "rasbt": write,
    "rasbt-prefer": prefer,
    "tatoeba": write,
    "scitldr": summarize,
    "xquad-en": extract,
    "xquad-zh": extract,
}


def main() -> None:
    """Score every data set that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="?", default=Path("runs/tasks/rows"))
    parser.add_argument("--only", nargs="*", default=list(SETS))
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).parent / "results" / "baseline.json")
    given = parser.parse_args()
    results = json.loads(given.out.read_text()) if given.out.is_file() else {}
    for name in given.only:
        if (given.rows / name).is_dir():
            began = time.monotonic()
            scores = SETS[name](load(given.rows / name, "train"), load(given.rows / name, "test"))
            results[name] = {
                "date": time.strftime("%Y-%m-%d"),
                "seconds": round(time.monotonic() - began, 1),
                "metrics": scores,
            }
            given.out.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
            print(f"{name:<14}" + ", ".join(f"{key} {value:.3f}" for key, value in scores.items()), flush=True)


if __name__ == "__main__":
    main()
