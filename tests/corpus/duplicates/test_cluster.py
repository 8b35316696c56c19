import random

import numpy as np

from plain import duplicates
from trivium.corpus.duplicates.cluster import clusters, exact, repeated
from trivium.corpus.duplicates.signature import Near

WORDS = [f"word{i}" for i in range(3000)]


def document(seed, length=300):
    return random.Random(seed).choices(WORDS, k=length)


def near(words, changes, seed=0):
    draw, words = random.Random(seed), list(words)
    for i in draw.sample(range(len(words)), changes):
        words[i] = f"other{draw.randrange(10**6)}"
    return words


def corpus():
    texts = {("a", str(i)): " ".join(document(i)) for i in range(30)}
    for i in range(8):
        texts["b", f"near {i}"] = " ".join(near(document(i), 3, i))
        texts["b", f"far {i}"] = " ".join(near(document(i), 150, i))
    texts["c", "exact"] = f"  {texts['a', '7']} ".upper().replace(" ", "\n")
    texts["0", "first"] = texts["a", "20"]
    return texts


def test_exact_duplicates_are_dropped_whatever_their_case_and_spacing():
    assert duplicates(corpus().items()) == {
        ("c", "exact"): "exact duplicate of a:7",
        ("a", "20"): "exact duplicate of 0:first",
    }


def test_near_duplicates_are_dropped_and_others_are_not():
    found = duplicates(corpus().items(), Near())
    wanted = {("b", f"near {i}"): f"near duplicate of a:{i}" for i in range(8)}
    exact = {("c", "exact"): "exact duplicate of a:7", ("a", "20"): "exact duplicate of 0:first"}
    assert found == wanted | exact


def test_the_answer_does_not_depend_on_the_order():
    items = list(corpus().items())
    wanted = duplicates(items, Near())
    for seed in range(4):
        random.Random(seed).shuffle(items)
        assert duplicates(items, Near()) == wanted


def test_chinese_is_compared_by_characters():
    draw = random.Random(1)
    text = "".join(chr(draw.randrange(0x4E00, 0x9000)) for _ in range(400))
    other = "".join(chr(draw.randrange(0x4E00, 0x9000)) for _ in range(400))
    found = duplicates([(("s", "1"), text), (("s", "2"), text[:200] + "改" + text[201:]), (("s", "3"), other)], Near())
    assert found == {("s", "2"): "near duplicate of s:1"}


def test_three_alike_keep_the_smallest_and_short_or_wordless_texts_are_no_trouble():
    texts = ["!!!", "???", "one", "two", "", "one two", "\ud800 x"]
    assert duplicates([(("s", str(i)), text) for i, text in enumerate(texts)], Near()) == {}
    found = duplicates([(("s", key), "same") for key in "cab"])
    assert found == {("s", key): "exact duplicate of s:a" for key in "bc"}
    assert duplicates([], Near()) == {}


def test_chains_join_one_cluster():
    words = document(5)
    chain = {("s", str(i)): " ".join(words := near(words, 4, i)) for i in range(9)}
    found = duplicates(chain.items(), Near())
    assert found.keys() == {("s", str(i)) for i in range(1, 9)}
    for (_, at), told in found.items():
        near_to, _, kept = told.removeprefix("near duplicate of ").partition(", and both of ")
        assert kept in ("", "s:0, which is kept") and (near_to == "s:0") == (not kept)
        assert duplicates([(("s", i), chain["s", i]) for i in (at, near_to[2:])], Near()), (
            "these two are near by themselves"
        )
    assert any("which is kept" in told for told in found.values())


def test_the_first_of_equal_hashes_stays():
    digest = np.array([[1, 2], [3, 4], [1, 2], [1, 9], [3, 4], [1, 2]], np.uint64)
    assert exact(digest).tolist() == [-1, -1, 0, -1, 1, 0]
    assert exact(digest[:0]).tolist() == []


def test_a_cluster_holds_what_meets_through_others():
    bands = [np.array([7, 1, 7, 2, 0], np.uint64), np.array([5, 6, 8, 8, 0], np.uint64)]
    signed = np.array([True, True, True, True, False])
    assert [column.tolist() for column in clusters(signed, iter(bands))] == [[-1, -1, 0, 0, -1], [-1, -1, 0, 2, -1]]
    bands[1][4] = 6  # what has no words meets nobody
    assert clusters(signed, iter(bands))[0].tolist() == [-1, -1, 0, 0, -1]
    bands = [np.array([7, 1, 7], np.uint64), np.array([8, 3, 3], np.uint64)]
    assert [column.tolist() for column in clusters(signed[:3], iter(bands))] == [[-1, 0, 0], [-1, 2, 0]]


def test_the_first_of_equal_paragraphs_stays_among_documents_that_are_kept():
    document, number = np.array([2, 0, 1, 1, 0]), np.array([0, 3, 0, 1, 1])
    digest = np.array([[4, 4]] * 5, np.uint64)
    kept_documents = np.array([False, True, True])
    assert repeated(document, number, digest, kept_documents).tolist() == [[1, 1], [2, 0]]
    assert repeated(document, number, digest, np.ones(3, bool)).tolist() == [[0, 3], [1, 0], [1, 1], [2, 0]]
