from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from trivium.base import seeds
from trivium.base.errors import DataError
from trivium.base.integrity import verification
from trivium.base.types import IGNORE, Example, Vocabulary
from trivium.data.rows import DocumentRows, ExampleRows, GroupRows, LateExample
from trivium.data.shards import Corpus
from trivium.objective.causal import CausalLM
from trivium.objective.masked import MaskedLM

BOS, EOS = 1, 2
PLANS = [("bestfit", True), ("concat", True), ("concat", False)]


def corpus(tmp_path, lengths):
    """A corpus in which every token is another id, so that each can be followed."""
    ends = np.cumsum([0, *lengths])
    docs = [np.arange(a, b) + 3 for a, b in pairwise(ends)]
    return Corpus(tiny.write_corpus(tmp_path / "data", docs, vocab_size=10_000, shard_documents=3), "train")


def rows_of(corpus, length=8, vocabulary=tiny.VOCABULARY, **options):
    return DocumentRows(corpus, CausalLM(), vocabulary, length, **options)


def examples(rows):
    return [example for index in range(rows.size(0)) for example in rows.row(0, index)]


def targets(rows):
    found = np.concatenate([example.targets["token"] for example in examples(rows)])
    return Counter(found[found != IGNORE].tolist())


@pytest.fixture(scope="module", params=[[5, 1, 0, 20, 8, 7, 6, 3, 40, 2], [100], [1], [6] * 9, [0, 3, 0]])
def documents(request, tmp_path_factory):
    return corpus(tmp_path_factory.mktemp("rows"), request.param)


@pytest.mark.parametrize(("packing", "isolate"), PLANS)
def test_every_content_token_is_a_target_exactly_once(documents, packing, isolate):
    rows = rows_of(documents, packing=packing, isolate=isolate)
    found = targets(rows)
    assert all(found[token + 3] == 1 for token in range(int(documents.lengths.sum())))


@pytest.mark.parametrize("packing", ["bestfit", "concat"])
def test_every_document_ends_once_and_no_label_crosses_its_border(documents, packing):
    rows = rows_of(documents, packing=packing)
    full = int((documents.lengths > 0).sum())
    assert targets(rows)[EOS] == full and targets(rows)[BOS] == 0
    for example in examples(rows):
        assert (example.targets["token"][example.dec == EOS] == IGNORE).all()


@pytest.mark.parametrize(("packing", "isolate"), PLANS)
def test_every_document_is_framed_once(documents, packing, isolate):
    ids = np.concatenate([example.dec for example in examples(rows_of(documents, packing=packing, isolate=isolate))])
    full = int((documents.lengths > 0).sum())
    assert (ids == BOS).sum() == (ids == EOS).sum() == full
    assert len(ids) == documents.lengths.sum() + 2 * full


def test_an_input_is_always_followed_by_its_target(documents):
    follows = {}
    for text in documents.documents():
        framed = [BOS, *text.tolist(), EOS]
        follows.update(pairwise(framed[1:]))
    for example in examples(rows_of(documents)):
        for token, target in zip(example.dec.tolist(), example.targets["token"].tolist(), strict=True):
            if token not in (BOS, EOS):
                assert target == follows[token]


def test_a_piece_that_is_cut_at_the_end_of_a_row_predicts_the_token_after_it(tmp_path):
    rows = rows_of(corpus(tmp_path, [30]), length=8)
    pieces = sorted(examples(rows), key=lambda example: int(example.dec.max()))
    assert [len(piece) for piece in pieces] == [8, 8, 8, 8]
    for piece, after in pairwise(pieces):
        assert piece.targets["token"][-1] == after.dec[0]
    assert pieces[-1].dec[-1] == EOS and pieces[-1].targets["token"][-1] == IGNORE


def test_the_literal_form_is_one_run_of_text_in_which_the_end_predicts_the_next_beginning(tmp_path):
    text = corpus(tmp_path, [5, 3, 0, 9, 1])
    rows = rows_of(text, packing="concat", isolate=False)
    run = np.concatenate([[BOS, *document.tolist(), EOS] for document in text.documents() if len(document)])
    assert all(len(rows.row(0, index)) == 1 for index in range(rows.size(0)))
    assert np.concatenate([example.dec for example in examples(rows)]).tolist() == run.tolist()
    found = np.concatenate([example.targets["token"] for example in examples(rows)])
    assert found.tolist() == [*run[1:].tolist(), IGNORE]


@pytest.mark.parametrize(("packing", "isolate"), [("bestfit", False), ("pad", True)])
def test_plans_that_cannot_be_are_refused(tmp_path, packing, isolate):
    with pytest.raises(DataError, match=f"packing '{packing}'"):
        rows_of(corpus(tmp_path, [3]), packing=packing, isolate=isolate)


def test_a_tail_that_does_not_fill_its_row_may_be_dropped_and_is_counted(tmp_path):
    text = corpus(tmp_path, [5, 1, 0, 20, 8])
    kept, whole = rows_of(text, packing="concat", tail="drop"), rows_of(text, packing="concat")
    total = sum(length + 2 for length in (5, 1, 20, 8))
    assert (kept.dropped, whole.dropped) == (total % 8, 0) and kept.size(0) == total // 8 == whole.size(0) - 1
    assert all(sum(len(one.dec) for one in kept.row(0, index)) == 8 for index in range(kept.size(0)))
    with pytest.raises(DataError, match="only concat can cross them or has a tail"):
        rows_of(text, tail="drop")
    with pytest.raises(DataError, match="expected at least one document and one full row of 99"):
        rows_of(text, 99, packing="concat", tail="drop")


def test_a_corpus_without_tokens_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"data: no train tokens"):
        rows_of(corpus(tmp_path, [0, 0]))


def test_a_row_is_a_pure_function_of_its_address(documents):
    one, other = rows_of(documents, seed=1), rows_of(documents, seed=1)
    for index in reversed(range(one.size(0))):
        for a, b in zip(one.row(2, index), other.row(2, index), strict=True):
            assert a.dec.tolist() == b.dec.tolist()


def test_a_row_without_draws_makes_no_generator(documents, monkeypatch):
    monkeypatch.setattr(seeds, "generator", None)
    assert examples(rows_of(documents))


def test_the_pieces_of_a_row_draw_one_after_the_other_from_the_generator_of_its_address(tmp_path):
    text = corpus(tmp_path, [5, 6, 7, 2])
    vocabulary = Vocabulary(size=10_000, pad=0, mask=9_999, special=frozenset({0, 9_999}))
    rows = DocumentRows(text, MaskedLM(rate=0.5), vocabulary, 32, seed=4)
    rng = seeds.generator(4, 3, 0)
    for number, found in enumerate(rows.row(3, 0)):
        wanted = rows.objective.piece(text.read(rows.plan.document[number]), None, vocabulary, rng)
        assert found.enc.tolist() == wanted.enc.tolist()
        assert found.targets["token"].tolist() == wanted.targets["token"].tolist()


def test_an_id_outside_the_vocabulary_stops_its_row_and_no_other_and_names_its_shard(tmp_path):
    folder = corpus(tmp_path, [5, 6, 7, 8, 5]).folder
    ids = np.fromfile(folder / "train-00001.tok", "<u2")
    ids[9] = 10_000
    ids.tofile(folder / "train-00001.tok")
    with verification(False):
        rows = rows_of(Corpus(folder, "train"), 50, packing="concat")
    with pytest.raises(DataError, match=r"train-00001\.tok: .* id 10000 in a vocabulary of 10000"):
        rows.row(0, 0)
    with verification(False):
        rows = rows_of(Corpus(folder, "train"), 10)
    bad = int(rows.plan.document.tolist().index(4))
    broken = int(np.searchsorted(rows.plan.rows, bad, side="right")) - 1
    for index in set(range(rows.size(0))) - {broken}:
        assert rows.row(0, index)
    with pytest.raises(DataError, match=r"train-00001\.tok"):
        rows.row(0, broken)


def test_a_frame_may_lie_beyond_the_vocabulary_that_the_data_were_made_with(tmp_path):
    rows = rows_of(corpus(tmp_path, [5]), vocabulary=Vocabulary(size=20_000, pad=0, bos=15_000))
    assert examples(rows)[0].dec.tolist() == [15_000, 3, 4, 5, 6, 7]


FRAMES = [((), ()), ((1,), (2,)), ((), (2,)), ((1,), ()), ((1, 4, 5), (6, 2))]


@pytest.fixture(scope="module")
def framed_rows(tmp_path_factory):
    text = corpus(tmp_path_factory.mktemp("frames"), [5, 0, 1, 12])
    found = []
    for before, after in FRAMES:
        rows = rows_of(text)
        rows.before, rows.after = np.array(before, np.int64), np.array(after, np.int64)
        found.append(rows)
    return found


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_slicing_a_framed_document_equals_framing_and_slicing(framed_rows, data):
    rows = data.draw(st.sampled_from(framed_rows))
    document = data.draw(st.sampled_from([0, 2, 3]))
    whole = [*rows.before.tolist(), *rows.corpus.read(document).tolist(), *rows.after.tolist()]
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole) + 3))
    assert rows.framed(document, start, stop).tolist() == whole[start:stop]


def test_without_bos_or_eos_there_is_no_frame(tmp_path):
    rows = rows_of(corpus(tmp_path, [5]), vocabulary=Vocabulary(size=10_000, pad=0))
    assert examples(rows)[0].dec.tolist() == [3, 4, 5, 6, 7]


def packed(lengths, alternatives=1, **options):
    choices = [[tiny.example(n, n, seed=10 * n + k) for k in range(alternatives)] for n in lengths]
    return ExampleRows(choices, 16, **options)


def drawn(rows, epoch):
    """Which ids every example has, as a set: the order of rows is the planner's."""
    return {tuple(e.dec.tolist()) for index in range(rows.size(epoch)) for e in rows.row(epoch, index)}


def test_examples_share_rows_whole_and_each_once():
    lengths = [3, 16, 9, 7, 2, 14, 5]
    rows = packed(lengths)
    found = [[len(e) for e in rows.row(0, index)] for index in range(rows.size(0))]
    assert sorted(n for row in found for n in row) == sorted(lengths)
    assert all(sum(row) <= 16 for row in found) and len(found) < len(lengths) and rows.length == 16


def test_padded_examples_have_a_row_each_in_order():
    rows = packed([3, 16, 9], packing="pad")
    assert [len(rows.row(0, index)[0]) for index in range(rows.size(0))] == [3, 16, 9] and rows.length is None


def test_one_alternative_is_drawn_for_each_seed_and_epoch():
    make = lambda seed: packed([5, 6, 7, 8, 9, 10], alternatives=4, seed=seed)
    rows = make(0)
    first = drawn(rows, 0)
    assert len(first) == 6
    others = [drawn(rows, epoch) for epoch in (1, 2)]
    assert first not in others and first != drawn(make(1), 0)
    assert drawn(rows, 0) == first == drawn(make(0), 0)


def test_over_many_epochs_every_alternative_is_drawn_as_often():
    rows = packed([5], alternatives=3, packing="pad")
    counts = Counter(tuple(rows.row(epoch, 0)[0].dec.tolist()) for epoch in range(600))
    assert len(counts) == 3 and min(counts.values()) > 150


def test_examples_may_not_be_cut():
    with pytest.raises(DataError, match="would cut examples"):
        packed([3], packing="concat")
    with pytest.raises(AssertionError, match="17 tokens does not fit"):
        packed([17])


def test_no_examples_are_an_error():
    with pytest.raises(DataError, match="no rows to train on"):
        ExampleRows([], 16)


def test_a_group_stays_together():
    made = [tiny.example(3, 4), tiny.example(2, 5)]
    rows = GroupRows([made])
    assert rows.row(5, 0) == made and rows.size(0) == 1 and rows.length is None
    with pytest.raises(DataError, match="no rows to train on"):
        GroupRows([])


def test_a_row_is_no_longer_than_all_examples_together():
    made = [Example(dec=np.arange(size)) for size in (20, 30, 50)]
    assert ExampleRows([[one] for one in made], 8192).length == 128
    assert ExampleRows([[one] for one in made], 80).length == 80
    assert ExampleRows([[made[0], made[2]]], 8192).length == 64


@pytest.mark.parametrize("packing", ["bestfit", "pad"])
def test_late_examples_are_made_with_their_row_and_depend_on_the_epoch(packing):
    seen = []
    rows = tiny.late_rows(6, packing, seen)
    assert rows.late and not seen
    first = [rows.row(0, index) for index in range(rows.size(0))]
    assert sorted(number for number, _ in seen) == [*range(6)]
    again = [rows.row(0, index) for index in range(rows.size(0))]
    assert [one.dec.tolist() for row in first for one in row] == [one.dec.tolist() for row in again for one in row]
    other = [one.dec.tolist() for index in range(rows.size(1)) for one in rows.row(1, index)]
    drawn = {(len(ids), ids[0]) for ids in other}
    assert not drawn & {(len(one.dec), int(one.dec[0])) for row in first for one in row}
    assert rows.origins(0, 0)[0].startswith("rows:")


def test_a_late_example_that_changed_is_told():
    one = LateExample(3, lambda rng: Example(dec=np.zeros(4, np.int64)), "rows:1: image a.png")
    with pytest.raises(DataError, match=r"a.png: changed since it was read: expected 3 tokens, found 4"):
        one.made(np.random.default_rng(0))
