"""A page through every step, and plans of rows: nothing is lost, and padding is what its definition says."""

import itertools
import re
from collections import Counter

import pytest

from trivium.study.course.lessons import rows


@pytest.fixture(scope="module")
def made():
    return rows.drawing({})


def test_nothing_of_the_page_is_lost_but_damage(made):
    assert "don’t wait" in made["clean"] and "title:" not in made["clean"] and "\x07" not in made["clean"]
    assert made["clean"].count("Share this page") == 1
    assert "".join(made["sentences"]) == made["clean"].replace("\n", "")
    assert "It fills the harbour, e.g. at Saint-Malo, and the boats don’t wait." in made["sentences"]
    assert made["sentences"][-1] == "“你看见了吗？”他问。"


def test_tokens_are_the_bytes_of_the_page_and_merges_only_join_them(made):
    def raw(token):
        return bytes.fromhex(token) if re.fullmatch("[0-9A-F]{2}( [0-9A-F]{2})*", token) else token.encode()

    counts = [len(step["tokens"]) for step in made["steps"]]
    assert counts[0] == made["bytes"] == len(made["clean"].encode()) and counts == sorted(counts, reverse=True)
    for step in made["steps"]:
        assert b"".join(map(raw, step["tokens"])) == made["clean"].encode()


def test_the_first_merge_is_the_most_frequent_pair():
    known = rows.tokenizer()
    texts = [rows.cleaned()[0]] * 8 + [rows.best_fit.__doc__, rows.concat.__doc__]
    pairs = Counter(pair for text in texts for pair in itertools.pairwise(text) if pair[1].isalpha())
    first = rows.drawing({})["merges"][0]
    assert pairs[tuple(first)] == max(pairs.values()) and known.size == 512


def test_a_row_restarts_positions_and_never_predicts_another_document(made):
    row = made["row"]
    for at, document in enumerate(row["documents"]):
        if at and document and document == row["documents"][at - 1]:
            assert row["targets"][at - 1] == row["ids"][at] and row["positions"][at] == row["positions"][at - 1] + 1
        elif document:
            assert row["ids"][at] == "<s>" and row["positions"][at] == 0 and (not at or row["targets"][at - 1] is None)
        else:
            assert row["ids"][at] == "<pad>" and row["targets"][at] is None


@pytest.mark.parametrize("name", rows.PLANNERS)
def test_every_token_of_the_documents_is_in_a_row_once(made, name):
    plan, lengths, room = made["plans"][name], made["lengths"], made["room"]
    places = Counter((d, at) for row in plan["rows"] for d, start, count in row for at in range(start, start + count))
    assert set(places.values()) == {1} and len(places) == sum(lengths)
    assert all(sum(count for *_, count in row) <= room for row in plan["rows"])
    assert plan["waste"] == pytest.approx(1 - sum(lengths) / (room * len(plan["rows"])))
    long = sum(length > room for length in lengths)
    assert plan["cut"] == long if name != "concat" else plan["cut"] > long
