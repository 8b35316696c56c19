"""Words and their tags: at the first token of each word."""

from collections import Counter
from types import SimpleNamespace

import pytest

from layouts import BYTES, layout
from talk import record
from trivium.base.errors import DataError
from trivium.base.types import IGNORE
from trivium.rows.kinds.tagged import TaggedWords

HEAD = SimpleNamespace(labels=("x", "y", "z"))


def test_keys_have_other_names():
    assert record(TaggedWords, {"words": ["a"], "ner_tags": ["O"]}).names == ["O"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "tags: expected one for each of 2 tokens, found 1"),
        ({"tokens": []}, "tokens: expected at least one, found none"),
    ],
)
def test_a_wrong_row_is_one_clear_line(row, message):
    with pytest.raises(DataError, match=message):
        record(TaggedWords, row)


def test_each_word_is_tagged_at_its_first_token():
    one, counts = TaggedWords(tokens=("see", "Añn", "now"), tags=("x", "y", "z")), Counter()
    example, at = one.laid(layout())
    assert [BYTES.decode([int(example.enc[i])]).strip() or "sp" for i in at] == ["s", "A", "n"]
    (tagged,) = one.examples(layout(), HEAD, None, counts)
    tags = tagged.targets["tag"]
    assert (
        tags[at].tolist() == [0, 1, 2] and (tags != IGNORE).sum() == 3 and not counts
    )  # a reason without rows is not told


def test_words_beyond_the_context_have_no_place_and_are_counted():
    one, counts = TaggedWords(tokens=("see", "Ann", "now"), tags=("x", "y", "z")), Counter()
    _, at = one.laid(layout(8))
    assert at[0] == 1 and at[2] is None
    (tagged,) = one.examples(layout(8), HEAD, None, counts)
    assert (tagged.targets["tag"] != IGNORE).sum() == 2 and counts == {"cut to 8 tokens, the model's context": 1}


def test_what_cannot_be_learned_is_told():
    with pytest.raises(ValueError, match="tags: expected one for each of 1 tokens, found none"):
        TaggedWords(tokens=("a",)).examples(layout(), HEAD, None, Counter())
    with pytest.raises(ValueError, match="label 'q' is none of the model's: x, y, z"):
        TaggedWords(tokens=("a",), tags=("q",)).examples(layout(), HEAD, None, Counter())


@pytest.mark.parametrize("tags", [[0, 3], ["0", "3"]])
def test_numbers_are_no_tags(tags):
    with pytest.raises(ValueError, match="tags: expected names such as O and B-PER, found numbers: 0, 3"):
        TaggedWords.model_validate({"tokens": ["a", "b"], "tags": tags})
