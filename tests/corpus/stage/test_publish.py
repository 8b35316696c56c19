"""The report adds up."""

import json

from trivium.corpus.prepare import Preparation, prepare


def test_counts_balance_to_the_document_and_shards_make_no_difference(tmp_path):
    (tmp_path / "t").mkdir()
    for file in range(3):
        texts = [f"A text of file {file} and row {row}." for row in range(10)] + [
            "tiny",
            "...---... " * 9,
            "The same here, twice over.",
        ]
        (tmp_path / "t" / f"{file}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    reports = {}
    for shards in (1, 3):
        reports[shards] = prepare(
            [tmp_path / "t"], tmp_path / f"{shards}", Preparation(tokenizer="bytes", shards=shards)
        )["report"]
    one, three = reports[1], reports[3]
    for key in ("dropped", "mended", "languages", "split", "lengths"):
        assert one[key] == three[key], key
    for a, b in zip(one["steps"], three["steps"], strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
    steps = {step["step"]: step for step in one["steps"]}
    left = steps["encode"]["train_documents"] + steps["encode"]["valid_documents"]
    assert steps["read"]["documents_out"] == 39 == left + sum(one["dropped"].values())
    assert steps["filter"]["documents_in"] - steps["filter"]["documents_out"] == 6
    assert {reason: len(some) for reason, some in one["examples"].items()} == {
        reason: min(count, 3) for reason, count in one["dropped"].items()
    }
    assert sum(found["documents"] for found in one["languages"].values()) == left
    tokens = steps["encode"]["train_tokens"] + steps["encode"]["valid_tokens"]
    assert sum(found["tokens"] for found in one["languages"].values()) == tokens
    assert sum(one["lengths"]["train"].values()) == steps["encode"]["train_documents"]
