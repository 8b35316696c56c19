import numpy as np

from trivium.corpus.duplicates.shingle import mix, normal, runs, words


def test_words_are_the_same_whatever_their_case_and_spacing():
    assert words(normal("One  TWO,\nthree")).tolist() == words(normal("one two three")).tolist()
    assert normal("Cafe\u0301") == normal("café")


def test_letters_without_spaces_between_are_words_by_themselves():
    found = words("用Python写")
    assert len(found) == 3 and found[1] == words("Python")[0] and found[0] == words("用")[0]
    assert len(words("日本のテスト")) == 6 and len(words("한국어 글")) == 2


def test_runs_tell_order_and_length():
    units = np.arange(6, dtype=np.uint64)
    assert len(runs(units, 3)) == 4 and len(np.unique(runs(units, 3))) == 4
    assert runs(units, 3)[1] == runs(units[1:4], 3)[0] == runs(units[1:4], 10)[0]
    assert runs(units[::-1].copy(), 6)[0] != runs(units, 6)[0]


def test_mixing_spreads_every_bit():
    flipped = mix(np.uint64(12345) ^ (np.uint64(1) << np.arange(64, dtype=np.uint64))) ^ mix(
        np.array([12345], np.uint64)
    )
    ones = [bin(value).count("1") for value in flipped.tolist()]
    assert min(ones) > 16 and max(ones) < 48
