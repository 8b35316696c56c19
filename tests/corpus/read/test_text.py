from collections import Counter

import pytest

from texts import texts, write
from trivium.base.errors import DataError
from trivium.corpus.read.reading import Reading
from trivium.corpus.read.sources import read


def test_line_ends_bom_nul_and_surrogates_are_mended_and_counted(tmp_path):
    counts: Counter[str] = Counter()
    write(tmp_path / "a.txt", b"\xef\xbb\xbfone\r\ntwo\rthree\0 no newline at the end")
    write(tmp_path / "b.jsonl", b'\xef\xbb\xbf{"text": "a\\ud800\\u0000b"}')
    write(tmp_path / "c.csv", b"\xef\xbb\xbftext\r\nx\0y\r\n")
    assert [document.text for document in read([tmp_path], counts=counts)] == [
        "one\ntwo\nthree no newline at the end",
        "a\ufffdb",
        "xy",
    ]
    assert counts == {"NUL removed": 3, "lone surrogate replaced": 1}


@pytest.mark.parametrize("content", [b"", b" \n\t", b"x"])
def test_tiny_and_blank_files_are_documents(tmp_path, content):
    assert texts(write(tmp_path / "a.txt", content)) == [content.decode()]


def test_invalid_utf8_follows_the_policy(tmp_path):
    text = write(tmp_path / "a.txt", b"ok\n\xff\xfe more")
    rows = write(tmp_path / "b.jsonl", b'{"text": "fine"}\n{"text": "\xe9t\xe9"}\n')
    counts: Counter[str] = Counter()
    assert [document.text for document in read([text, rows], counts=counts)] == [
        "ok\n\ufffd\ufffd more",
        "fine",
        "\ufffdt\ufffd",
    ]
    assert counts == {"invalid UTF-8, replaced": 2}
    counts.clear()
    assert [document.text for document in read([text, rows], Reading(invalid="drop"), counts)] == ["fine"]
    assert counts == {"not read: invalid UTF-8": 2}
    with pytest.raises(DataError, match=r"a\.txt: byte 3: expected UTF-8, found 0xff"):
        texts(text, invalid="strict")
    with pytest.raises(DataError, match=r"b\.jsonl: byte 27: expected UTF-8, found 0xe9"):
        texts(rows, invalid="strict")
    with pytest.raises(DataError, match=r"c\.txt: byte 4: "):
        texts(write(tmp_path / "c.txt", b"\xef\xbb\xbfa\xff"), invalid="strict")


def test_strict_offsets_count_from_the_beginning_of_a_long_file(tmp_path):
    long = write(tmp_path / "a.txt", b"line\n" * 100 + b"\xff")
    with pytest.raises(DataError, match="byte 500:"):
        texts(long, invalid="strict", longest_bytes=64)


def test_long_text_is_cut_at_line_ends_and_long_rows_are_left_out(tmp_path):
    counts: Counter[str] = Counter()
    content = "".join(f"line {i}\n" for i in range(100)) + "é" * 200 + "\nend"
    long = write(tmp_path / "a.txt", content)
    parts = list(read([long], Reading(longest_bytes=101), counts))
    assert "".join(part.text for part in parts) == content and len(parts) > 10
    assert [part.id for part in parts] == [str(i + 1) for i in range(len(parts))]
    assert all(len(part.text.encode()) <= 101 for part in parts) and all(part.text[-1] == "\n" for part in parts[:5])
    assert counts["text file cut: longer than one document may be"] == len(parts) - 1
    assert "invalid UTF-8, replaced" not in counts
    counts.clear()
    rows = write(tmp_path / "b.jsonl", '{"text": "a"}\n{"text": "' + "b" * 200 + '"}\n{"text": "c"}')
    found = list(read([rows], Reading(longest_bytes=101), counts))
    assert [(row.id, row.text) for row in found] == [("1", "a"), ("3", "c")]
    assert counts == {"not read: line over 101 bytes": 1}


def test_a_file_exactly_as_long_as_the_limit_is_one_document(tmp_path):
    assert texts(write(tmp_path / "a.txt", "abcd\nabcd\n"), longest_bytes=10) == ["abcd\nabcd\n"]


CHINESE = [f"第{i}间房很干净，早餐也很好吃" for i in range(6)]
FRENCH = [f"Un café très agréable à côté, n° {i}" for i in range(6)]


@pytest.mark.parametrize(("lines", "name"), [(CHINESE, "gb18030"), (FRENCH, "cp1252"), (CHINESE, "utf-16-le")])
def test_the_encoding_of_rows_is_recognised_on_the_whole_file(tmp_path, lines, name):
    lines = ["plain", *lines]  # the first line tells nothing
    rows = {"a.csv": "text\n", "b.jsonl": "", "c.tsv": "text\n"}
    for file, head in rows.items():
        body = "".join(f'{{"text": "{line}"}}\n' if file == "b.jsonl" else f'"{line}"\n' for line in lines)
        counts: Counter[str] = Counter()
        assert texts(write(tmp_path / file, (head + body).encode(name)), counts) == lines
        assert counts == {f"file r{'ead' if name == 'utf-16-le' else 'ecognised'} as {name}": 1}


def test_rows_that_are_not_surely_in_an_encoding_stop_where_that_is_asked_for(tmp_path):
    few = write(tmp_path / "a.csv", "text\nplain\n北京\n".encode("gbk"))
    stop = Reading(unsure="stop")
    with pytest.raises(DataError, match=r"a\.csv: line 3: expected UTF-8; .* name the encoding by `--encoding`"):
        list(read([few], stop))
    assert [document.text for document in read([few], Reading(unsure="stop", encoding="gbk"))] == ["plain", "北京"]
    late = write(tmp_path / "b.csv", ("text\né\n" + "".join(f"{line}\n" for line in FRENCH)).encode())
    late.write_bytes(late.read_bytes() + "".join(f"{line}\n" for line in FRENCH * 9).encode("cp1252"))
    with pytest.raises(DataError, match=r"b\.csv: line 9: expected UTF-8; it may be cp1252, but that is not sure"):
        list(read([late], stop))
    with pytest.raises(DataError, match=r"c\.jsonl: line 1: expected UTF-8; no encoding was recognised"):
        list(read([write(tmp_path / "c.jsonl", bytes(range(128, 256)) * 9)], stop))
    counts: Counter[str] = Counter()
    damaged = write(tmp_path / "d.csv", ("text\n" + "\n".join(CHINESE) + "\n").encode() + "北".encode()[:2] + b"\n")
    assert [document.text for document in read([damaged], stop, counts)] == [*CHINESE, "\ufffd"]
    assert counts == {"invalid UTF-8, replaced": 1}
    counts.clear()
    wrong = ("text\n" + "\n".join(CHINESE) + "\n").encode("gbk") + b"\xff\xff\n"
    assert "\ufffd" in [*read([write(tmp_path / "e.csv", wrong)], Reading(encoding="gbk"), counts)][-1].text
    assert counts == {"file read as gbk": 1, "invalid UTF-8, replaced": 1}
