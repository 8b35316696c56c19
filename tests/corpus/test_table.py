"""The table of a shard: its columns, and what they do not depend on."""

import numpy as np

from trivium.base.types import Document
from trivium.corpus.preparation import Preparation
from trivium.corpus.table import Table, address, split_paragraphs

EN = {"language": "en"}


def test_an_address_is_the_same_wherever_the_file_lies():
    one = address(Document("x", "7", "here/a.jsonl"))
    assert one == address(Document("other", "7", "there/a.jsonl")) and 0 <= one < 1 << 64
    assert len({one, address(Document("x", "8", "a.jsonl")), address(Document("x", "7", "b.jsonl"))}) == 3


def test_signatures_of_a_table_do_not_depend_on_its_batches(monkeypatch):
    def made():
        table = Table(Preparation(paragraphs=True))
        for number in range(9):
            table.add(
                Document(f"some words and the number {number}\n\n{'long ' * 30}\n\nend", str(number), "s", EN), 0, 180
            )
        return table.arrays()

    one = made()
    monkeypatch.setattr("trivium.corpus.table.BATCH_CHARS", 10)
    two = made()
    assert one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)
    assert one["paragraphs"].tolist() == [3] * 9 and one["paragraph"].tolist() == [[number, 1] for number in range(9)]
    assert len(one["band0"]) == 9 and one["signed"].all()


def test_an_empty_table_has_every_column():
    one, none = Table(Preparation(paragraphs=True)), Table(Preparation(paragraphs=True)).arrays()
    one.add(Document("some text", "1", "s", EN), 0, 9)
    full = one.arrays()
    assert none.keys() == full.keys()
    assert all(len(none[name]) == 0 and none[name].ndim == full[name].ndim for name in none)


def test_blank_lines_stand_between_paragraphs():
    assert split_paragraphs("a\nb\n \n\nc") == ["a\nb", "c"]
