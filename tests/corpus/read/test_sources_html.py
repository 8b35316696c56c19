"""HTML: the main content stays, in the encoding the page names; without the library one line says what to install."""

import sys
import time
from pathlib import Path

import pytest

from trivium.base.errors import DataError
from trivium.corpus.read.reading import Reading
from trivium.corpus.read.sources import main_content, read

pytest.importorskip("resiliparse")

SENTENCE = "Die Straße läuft am Fluß entlang, und wer ihr folgt, kommt irgendwann ans Meer. "
PAGE = f"""<!DOCTYPE html><html><head><title>t</title><meta charset="iso-8859-1"><script>var x = "menu";</script></head>
<body><nav><ul><li><a href="/">Home</a></li><li><a href="/b">About us</a></li></ul></nav>
<main><article><h1>Heading</h1><p>{SENTENCE * 4}</p><p>{SENTENCE}</p></article></main>
<footer>Copyright, imprint, cookies</footer></body></html>"""


def test_a_page_is_its_main_content(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(PAGE.encode("latin-1"))
    (tmp_path / "b.htm").write_text(PAGE.replace("iso-8859-1", "utf-8"), encoding="utf-8")
    pages = [document.text for document in read([tmp_path])]
    assert pages[0] == pages[1]
    assert pages[0].count(SENTENCE.strip()) == 5 and "Heading" in pages[0]
    assert not any(word in pages[0] for word in ("menu", "About us", "imprint", "<"))


def test_rows_may_hold_pages(tmp_path: Path) -> None:
    import json

    (tmp_path / "a.jsonl").write_text(json.dumps({"text": PAGE}))
    (raw,), (page,) = (list(read([tmp_path], Reading(html_rows=on))) for on in (False, True))
    assert "<p>" in raw.text and "<p>" not in page.text and SENTENCE.strip() in page.text


@pytest.mark.parametrize(
    "page",
    [
        "",
        "\0",
        "<",
        "<!--",
        "<p>" * 20_000,
        "<a href='" + "x" * 5000,
        "<p>a\ud800b\0c",
        "<script>",
        "&#0;&#xd800;&bogus;",
    ],
)
def test_hostile_pages_are_texts_too(tmp_path: Path, page: str) -> None:
    (tmp_path / "a.html").write_text(page, encoding="utf-8", errors="surrogatepass")
    (document,) = read([tmp_path])
    assert document.text.encode() is not None and "<p>" not in document.text


def test_the_time_of_nested_blocks_grows_with_their_number(tmp_path: Path) -> None:
    def page(depth: int) -> str:
        return f"<body>{'<div><ARTICLE class=x>' * depth}<p>deep</p>{'</ARTICLE></div>' * depth}<div>{SENTENCE}</div>"

    begin = time.process_time()
    text = main_content(page(10_000), "here")
    assert time.process_time() - begin < 3  # without a bound: a minute
    assert text.split() == ["deep", *SENTENCE.split()]
    inner = "".join(f"<div>line {number}</div>" for number in range(9))
    shallow, deep = (main_content("<div>" * depth + inner + "</div>" * depth, "here") for depth in (9, 200))
    assert deep.split("\n") == shallow.split("\n") == [f"line {number}" for number in range(9)]


def test_without_the_library_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resiliparse.extract.html2text", None)
    (tmp_path / "a.html").write_text("<p>x")
    with pytest.raises(DataError, match=r"a\.html: reading HTML needs resiliparse: pip install resiliparse$"):
        list(read([tmp_path]))
