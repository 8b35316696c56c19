import numpy as np
import pytest

from trivium.base.batch import collate
from trivium.base.types import IGNORE, Example


def causal(*ids, weight=None):
    weights = None if weight is None else np.full(len(ids), weight, np.float32)
    return Example(dec=np.array(ids), targets={"token": np.array([*ids[1:], IGNORE])}, weights=weights)


def test_rows_are_laid_side_by_side_and_padded():
    batch = collate([[causal(5, 6, 7), causal(8, 9)], [causal(4)]], pad=0, length=6)
    assert batch.enc is None and batch.stream is batch.dec
    assert batch.dec.ids.tolist() == [[5, 6, 7, 8, 9, 0], [4, 0, 0, 0, 0, 0]]
    assert batch.dec.positions.tolist() == [[0, 1, 2, 0, 1, 0], [0, 0, 0, 0, 0, 0]]
    assert batch.dec.documents.tolist() == [[1, 1, 1, 2, 2, 0], [1, 0, 0, 0, 0, 0]]
    assert batch.targets["token"].tolist() == [[6, 7, -100, 9, -100, -100], [-100] * 6]


def test_padding_carries_no_target_even_where_pad_is_a_real_id():
    batch = collate([[causal(5, 5)]], pad=5, length=4)
    assert batch.dec.ids.tolist() == [[5, 5, 5, 5]]
    assert batch.targets["token"].tolist() == [[5, -100, -100, -100]]


def test_only_rows_that_are_one_whole_document_are_plain():
    full = causal(1, 2, 3)
    assert collate([[full], [full]], 0, 3).dec.plain
    assert not collate([[full], [full]], 0, 4).dec.plain
    assert not collate([[causal(1, 2), causal(3)]], 0, 3).dec.plain


def test_a_batch_is_as_wide_as_its_longest_row_or_as_asked():
    rows = [[causal(1, 2, 3)], [causal(1, 2, 3, 4, 5)]]
    assert collate(rows, 0).dec.ids.shape == (2, 5)
    assert collate(rows, 0, multiple=8).dec.ids.shape == (2, 8)
    assert collate(rows, 0, length=7).dec.ids.shape == (2, 7)


def test_a_row_that_does_not_fit_is_our_own_mistake():
    with pytest.raises(AssertionError):
        from trivium.base.batch import stream

        stream([[np.arange(5)]], 4, 0)


def test_the_same_number_is_the_same_example_in_both_streams():
    both = [
        Example(enc=np.array([7, 7, 7]), dec=np.array([1, 2]), targets={"token": np.array([2, 3])}),
        Example(enc=np.array([8]), dec=np.array([1, 4, 5]), targets={"token": np.array([4, 5, 6])}),
    ]
    batch = collate([both], pad=0, length=8)
    assert batch.stream is batch.dec
    assert batch.enc.documents.tolist() == [[1, 1, 1, 2, 0, 0, 0, 0]]
    assert batch.dec.documents.tolist() == [[1, 1, 2, 2, 2]]
    assert batch.targets["token"].tolist() == [[2, 3, 4, 5, 6]]


def test_a_prefix_is_counted_from_the_start_of_each_document():
    def prefixed(count: int, prefix: int) -> Example:
        return Example(dec=np.arange(count), targets={"token": np.full(count, IGNORE)}, prefix=prefix)

    batch = collate([[prefixed(3, 2), prefixed(2, 1)], [prefixed(2, 0)]], pad=0)
    assert batch.dec.prefix.tolist() == [[True, True, False, True, False], [False] * 5]
    assert collate([[prefixed(3, 0)]], pad=0).dec.prefix is None


def test_the_count_is_the_number_of_valid_targets():
    batch = collate([[causal(5, 6, 7), causal(8, 9)], [causal(4)]], pad=0)
    assert batch.weights is None and batch.count() == 3.0


def test_the_count_is_the_weight_of_valid_targets_where_there_are_weights():
    batch = collate([[causal(5, 6, 7, weight=0.25)], [causal(8, 9)]], pad=0)
    assert batch.count() == pytest.approx(2 * 0.25 + 1)


def test_a_rank_without_rows_still_gets_a_batch():
    batch = collate([[]], pad=0, length=8)
    assert (
        batch.enc.ids.shape == batch.dec.ids.shape == (1, 8) and not batch.dec.documents.any() and batch.count() == 0.0
    )


def test_targets_of_other_heads_are_stacked():
    examples = [Example(enc=np.array([1, 2]), targets={"label": np.array(k)}) for k in (3, 1)]
    batch = collate([[examples[0]], [examples[1]]], pad=0)
    assert batch.targets["label"].tolist() == [3, 1]
    assert set(batch.targets) == {"label"} and batch.count() == 2


def test_a_decoder_beside_an_encoder_reads_the_texts_one_place_later():
    read, written = np.array([5, 6, 7]), np.array([2, 5, 6])
    batch = collate([[Example(enc=read, dec=written), Example(enc=read[1:], dec=written[1:])]], 0, length=9)
    assert batch.enc.ids.shape == (1, 9) and batch.read.ids.tolist() == [[5, 6, 7, 6, 7]]
    assert batch.read.documents is batch.dec.documents and batch.stream.ids.tolist() == [[2, 5, 6, 5, 6]]
    alone = collate([[Example(enc=read)]], 0)
    assert alone.read is alone.stream is alone.enc
