"""The report names every step, every reason and every split."""

from trivium.corpus.report import lines


def test_nothing_is_left_out() -> None:
    manifest = {
        "vocab_size": 384,
        "splits": {"train": [{"documents": 1, "tokens": 5}, {"documents": 2, "tokens": 7}], "valid": []},
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
    told = list(lines(manifest))
    assert "documents in 1,234" in told[0] and "1.50 s" in told[0]
    assert "documents out 5" in told[1] and "documents in" not in told[1] and "bytes in 9" in told[1]
    assert [line.split()[-1] for line in told[2:5]] == ["duplicate", "empty", "removed"]
    assert "3     zh, 1,200 bytes, 3.00 bytes a token" in told[5]
    assert "train: to 4: 1, to 8: 2" in told[6]
    assert "2     bestfit: 25.00% of the places empty, 1 documents cut (0 of them would fit a row)" in told[7]
    assert "1     concat: 0.00% of the places empty, 2 documents cut (1 of them" in told[8]
    assert "3     documents, 12 tokens" in told[9]
