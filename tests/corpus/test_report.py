"""The report names every step, every reason and every split."""

import numpy as np

from trivium.corpus.report import _histogram, _packing, lines


def test_nothing_is_left_out() -> None:
    manifest = {
        "vocab_size": 384,
        "splits": {
            "train": [{"documents": 1, "tokens": 5, "bytes": 20}, {"documents": 2, "tokens": 7, "bytes": 40}],
            "valid": [],
        },
        "report": {
            "steps": [
                {"step": "read", "seconds": 1.5, "documents_in": 1234},
                {"step": "clean", "seconds": 0.1, "documents_in": 5, "documents_out": 5, "bytes_in": 9, "bytes_out": 8},
            ],
            "dropped": {"empty": 2, "near duplicate": 30},
            "mended": {"NUL removed": 1},
            "languages": {"zh": {"documents": 3, "bytes": 1200, "tokens": 400}},
            "lengths": {"train": {"4": 1, "8": 2}, "valid": {}},
            "packing": {
                "row": 1024,
                "documents": 3,
                "bestfit": {"rows": 2, "waste": 0.25, "cut": 1, "cut_though_they_fit": 0},
                "concat": {"rows": 1, "waste": 0.0, "cut": 2, "cut_though_they_fit": 1},
            },
        },
    }
    told = [line.split() for line in lines(manifest)]
    assert ["read", "1,234", "1.50"] in told and ["clean", "5", "5", "9", "8", "0.10", "0.0"] in told
    counts = [" ".join(words) for words in told]
    assert counts.index("near duplicate 30") < counts.index("empty 2") < counts.index("NUL removed 1")
    assert "zh 3 1,200 400 3.00" in counts
    assert "up to 4 1" in counts and "up to 8 2" in counts and "Tokens per document, valid" not in counts
    assert "bestfit 2 25.000% 1 0" in counts and "concat 1 0.000% 2 1" in counts
    assert "train 3 60 12 5.00" in counts and "Data, a vocabulary of 384" in counts


def test_lengths_are_counted_by_powers_of_two():
    assert _histogram(np.array([0, 1, 2, 3, 4, 5, 1024, 1025])) == {
        "1": 2,
        "2": 1,
        "4": 2,
        "8": 1,
        "1024": 1,
        "2048": 1,
    }
    assert _histogram(np.empty(0, np.int64)) == {}


def test_packing_is_tried_both_ways():
    found = _packing(np.array([1022, 510, 510, 2000, 0]))  # BOS and EOS make them 1024, 512, 512 and 2002
    assert (found["bestfit"]["rows"], found["bestfit"]["cut"], found["bestfit"]["cut_though_they_fit"]) == (4, 1, 0)
    assert (found["concat"]["rows"], found["concat"]["waste"]) == (4, round(1 - 4050 / 4096, 6))
    assert _packing(np.array([500, 1000]))["concat"]["cut_though_they_fit"] == 1
