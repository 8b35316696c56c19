"""The report names every step, every reason and every split."""

from trivium.data.report import lines


def test_nothing_is_left_out() -> None:
    manifest = {
        "vocab_size": 384,
        "splits": {"train": [{"documents": 1, "tokens": 5}, {"documents": 2, "tokens": 7}], "valid": []},
        "report": {
            "steps": [{"step": "read", "seconds": 1.5, "documents_in": 1234}],
            "dropped": {"empty": 2, "near duplicate": 30},
            "mended": {"NUL removed": 1},
            "languages": {"zh": {"documents": 3, "bytes": 1200}},
        },
    }
    told = list(lines(manifest))
    assert "documents in 1,234" in told[0] and "1.50 s" in told[0]
    assert [line.split()[-1] for line in told[1:4]] == ["duplicate", "empty", "removed"]
    assert "3     zh, 1,200 bytes" in told[4]
    assert "3     documents, 12 tokens" in told[5]
