"""One sentence under each objective: the numbers of the papers, and targets that give the sentence back."""

import re

import pytest

from trivium.study.course.lessons import objectives


@pytest.fixture(scope="module")
def kinds():
    return objectives.drawing({})["kinds"]


def test_a_document_has_the_targets_of_the_papers():
    found = objectives.exact()
    assert (found["cut"], found["spans"]) == (85, 28)
    assert found["targets_denoise"] == 114 and found["read_denoise"] == 512 + 114  # T5: 568 tokens become 512 and 114
    assert found["targets_causal"] == objectives.DOCUMENT + 1  # each token and EOS
    assert found["targets_masked"] == pytest.approx(0.15 * objectives.DOCUMENT, abs=1)
    assert found["targets_infill"] == objectives.DOCUMENT + 2


def test_a_decoder_predicts_what_it_reads_next_and_sees_no_later_token(kinds):
    for draw in kinds["causal"]:
        tokens, seen = draw["sides"]["decoder"]["tokens"], draw["sides"]["decoder"]["seen"]
        assert draw["targets"] == [*tokens[1:], None] and "".join(tokens[1:-1]) == objectives.SENTENCE
        assert all(row == "#" * (at + 1) + "." * (len(tokens) - at - 1) for at, row in enumerate(seen))


def test_an_encoder_sees_all_and_its_targets_give_the_sentence_back(kinds):
    for draw in kinds["masked"]:
        tokens = draw["sides"]["encoder"]["tokens"]
        restored = [target or token for token, target in zip(tokens, draw["targets"], strict=True)]
        assert "".join(restored[1:-1]) == objectives.SENTENCE
        assert all(set(row) == {"#"} for row in draw["sides"]["encoder"]["seen"])
    assert any("<mask>" in draw["sides"]["encoder"]["tokens"] for draw in kinds["masked"])


def test_spans_in_the_places_of_their_sentinels_give_the_sentence_back(kinds):
    for draw in kinds["denoise"]:
        source, written = "".join(draw["sides"]["encoder"]["tokens"]), "".join(draw["targets"])
        parts = re.split(r"(<extra_id_\d+>)", written.removesuffix("</s>"))[1:]
        for sentinel, span in zip(parts[::2], parts[1::2], strict=True):
            assert source.count(sentinel) == 1
            source = source.replace(sentinel, span)
        assert source == objectives.SENTENCE + "</s>"
        assert draw["sides"]["decoder"]["tokens"] == ["<pad>", *draw["targets"][:-1]]


def test_the_other_pair_writes_the_whole_sentence(kinds):
    for draw in kinds["infill"]:
        assert "".join(draw["targets"]).removeprefix("<s>").removesuffix("</s>") == objectives.SENTENCE
        assert "<mask>" in draw["sides"]["encoder"]["tokens"]


@pytest.mark.parametrize("name", ["denoise", "infill"])
def test_of_a_pair_the_encoder_sees_all_and_the_decoder_the_past(kinds, name):
    for draw in kinds[name]:
        assert all(set(row) == {"#"} for row in draw["sides"]["encoder"]["seen"])
        seen = draw["sides"]["decoder"]["seen"]
        assert seen == ["#" * (at + 1) + "." * (len(seen) - at - 1) for at in range(len(seen))]
