"""A page of a model: one file that names no host and runs no text, with Python's ids; looked at in Chromium."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import shown
import small
import trivium
from browser import Page, browser
from trivium.base.errors import ConfigError, ModelError
from trivium.base.types import Message
from trivium.cli import app
from trivium.infer.read import fill
from trivium.interop.page import write as pages
from trivium.token.layout import gapped
from trivium.token.template import CHAT_TEMPLATE, ids, render
from trivium.token.tokenizer import Tokenizer

HOSTILE = '</script><script>window.hit=1</script><img src=x onerror="window.hit=1">\u2028\'"&lt;{{plan}}${window.hit=1}'
SINKS = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write\w*|eval|Function|createContextualFragment|DOMParser|"
    r"srcdoc|setHTMLUnsafe|javascript:|fetch|XMLHttpRequest|WebSocket|import)\b|set(?:Timeout|Interval)\(\s*[\"'`]"
)
TEXTS = [
    f"{a} {b}{c}"
    for a in ("The cat", "Ein Haus", "中文", "def f(x):", "12 + 7 =")
    for b in ("sat", "is", "😀", "\n", "return")
    for c in ("", " on the mat, and")
]
FAMILIES = ("llama", "gpt2", "bart", "t5", "bert", "modernbert")
SIZE = {"layers": 2, "hidden_size": 64, "heads": 4}


SUMS = """[...$('map').querySelectorAll('tbody tr')].map((row) =>
  [...row.querySelectorAll('td')].reduce((sum, one) => sum + Number(one.title), 0))"""
"""The sum of the weights of each row of the map."""


class Elements(HTMLParser):
    """The attributes of a page, as an independent parser reads them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str]] = []
        self.scripts = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]
        self.scripts += tag == "script"


def model(preset: str, **fields: Any) -> trivium.Model:
    """A random model that writes another token at each step."""
    torch.manual_seed(1)
    built = trivium.build(preset, **{"vocab_size": 384, "context": 128, **SIZE, **fields})
    return trivium.Model(small.noisy(built, 0.4).transformer, Tokenizer.bytes())


@pytest.mark.parametrize("preset", ["llama", "bart"])
def test_a_page_writes_the_ids_of_python(preset: str, tmp_path: Path) -> None:
    made = model(preset)
    file = shown.exported(made, tmp_path / "a.html")
    wanted = shown.greedy(shown.rounded(made), TEXTS[:12], 12)
    assert shown.node(file, shown.GREEDY, texts=TEXTS[:12], most=12) == wanted
    assert len({tuple(one) for one in wanted}) > 3


def test_float32_keeps_the_weights_as_they_are(tmp_path: Path) -> None:
    made = model("llama")
    file = shown.exported(made, tmp_path / "a.html", "fp32")
    assert shown.node(file, shown.GREEDY, texts=TEXTS[:12], most=12) == shown.greedy(made, TEXTS[:12], 12)
    assert file.stat().st_size > 2 * shown.exported(made, tmp_path / "b.html").stat().st_size


def test_a_message_is_asked_as_the_chat_template_has_it(tmp_path: Path) -> None:
    made = model("llama")
    made.tokenizer = made.tokenizer.replace(chat_template=CHAT_TEMPLATE)
    made.record = {"recipe": {"objective": {"kind": "instruct"}}, "prefix": "say: "}
    file = shown.exported(made, tmp_path / "a.html")
    asked = 'texts.map((text) => reader.prompt([text], "", true).ids)'
    for text, found in zip(TEXTS, shown.node(file, asked, texts=TEXTS), strict=True):
        message = Message("user", text).behind("say: ")
        assert found == ids(render([message], made.tokenizer, generate=True))


@pytest.mark.slow
def test_a_message_for_both_sides_is_asked_as_its_rows_were(tmp_path: Path) -> None:
    made = model("t5")
    made.record = {"recipe": {"objective": {"kind": "instruct"}}, "prefix": "sum: "}
    file = shown.exported(made, tmp_path / "a.html")
    wanted = shown.greedy(shown.rounded(made), TEXTS[:5], 8)
    assert shown.node(file, shown.GREEDY, texts=TEXTS[:5], most=8) == wanted
    asked = 'texts.map((text) => reader.prompt([text], "", true).source)'
    assert shown.node(file, asked, texts=TEXTS) == [made.encode(text) for text in TEXTS]


def test_forced_ids_stops_and_the_room_end_a_text_as_in_python(tmp_path: Path) -> None:
    made = model("gpt2", context=24)
    made.forced = {"first": 300, "last": 7}
    wanted = shown.greedy(made, ["abc"], 5)
    made.stop_ids = (*made.stop_ids, wanted[0][2])
    file = shown.exported(made, tmp_path / "a.html", "fp32")
    assert shown.node(file, shown.GREEDY, texts=["abc"], most=5) == shown.greedy(made, ["abc"], 5) == [wanted[0][:2]]
    made.stop_ids, made.forced = (), {}
    file = shown.exported(made, tmp_path / "a.html", "fp32")
    found = shown.node(file, shown.GREEDY, texts=["abc"], most=24)
    assert found == shown.greedy(made, ["abc"], 24) and 20 <= len(found[0]) <= 24


def test_a_page_names_no_host_and_makes_no_text_a_script(tmp_path: Path) -> None:
    made = model("llama")
    made.tokenizer = made.tokenizer.replace(made.tokenizer.json.replace("<|reserved_3|>", json.dumps(HOSTILE)[1:-1]))
    file = pages.write(tmp_path / "a.html", shown.folder(made), name=HOSTILE)
    html = file.read_text(encoding="utf-8")
    own = html.replace(shown.block(html, "weights"), "").replace(shown.block(html, "plan"), "")
    assert not SINKS.findall(shown.block(html, ""))
    assert not re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]|@import|url\(", own)
    elements = Elements(html)
    assert {name for name, _ in elements.attributes} & {
        "src",
        "srcset",
        "onclick",
        "onerror",
        "style",
        "action",
    } == set()
    assert {value for name, value in elements.attributes if name == "href"} == {"data:,"} and elements.scripts == 4
    assert json.loads(shown.block(html, "plan"))["name"] == HOSTILE
    own = base64.b64encode(hashlib.sha256(shown.block(html, "").encode()).digest()).decode()
    rules = next(value for name, value in elements.attributes if name == "content" and "default-src" in value)
    assert rules.startswith(f"default-src 'none'; script-src 'sha256-{own}'; style-src 'sha256-")
    assert "require-trusted-types-for 'script'; trusted-types 'none'" in rules and "connect-src" not in rules


def test_every_word_is_there_in_both_languages_and_every_part_that_is_named(tmp_path: Path) -> None:
    html = shown.exported(model("llama"), tmp_path / "a.html").read_text(encoding="utf-8")
    words, script = json.loads(shown.block(html, "words")), shown.block(html, "")
    assert words["en"].keys() == words["zh"].keys()
    for name, english in words["en"].items():
        assert re.findall(r"\{\w+\}", english) == re.findall(r"\{\w+\}", words["zh"][name]), name
    attributes = Elements(html).attributes
    used = {value for name, value in attributes if name in ("data-t", "data-label")} | set(
        re.findall(r"\bt\(\"(\w+)\"", script)
    )
    assert len(used) > 30 and used <= words["en"].keys()
    named = set(re.findall(r"\$\(\"([\w-]+)\"\)", script))
    assert len(named) > 25 and named <= {value for name, value in attributes if name == "id"}


def test_what_cannot_be_a_page_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, file = model("llama"), tmp_path / "a.html"
    with pytest.raises(ConfigError, match="quantize: expected one of int8, fp32, found 'q8_0'"):
        shown.exported(made, file, "q8_0")
    with pytest.raises(ConfigError, match="expected a file to write, found a folder"):
        shown.exported(made, tmp_path)
    with pytest.raises(ModelError, match="no tokenizer"):
        shown.exported(trivium.Model(made.transformer), file)
    with pytest.raises(ModelError, match="pattern: a page computes no pattern 'prefix'"):
        shown.exported(model("llama", pattern="prefix"), file)
    both = model("t5")
    both.start = -1
    with pytest.raises(ModelError, match="with which id its decoder begins"):
        shown.exported(both, file)
    monkeypatch.setattr(pages, "LARGEST", 1000)
    with pytest.raises(ModelError, match=r"bytes of weights: expected at most 1,000, what a browser reads in a page"):
        shown.exported(made, file)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_a_page_and_tells_what_it_leaves(tmp_path: Path) -> None:
    made = model("llama")
    made.defaults = {"temperature": 0.5, "top_p": 0.9}
    made.save(tmp_path / "model")
    line = ["export", str(tmp_path / "model"), "--to", "page", "-o", str(tmp_path / "m.html")]
    told = CliRunner().invoke(app, line)
    assert told.exit_code == 0, told.output
    assert "does not use top_p 0.9 of this model" in told.output and "open it in a browser" in told.output
    plan = json.loads(shown.block((tmp_path / "m.html").read_text(encoding="utf-8"), "plan"))
    assert plan["usual"] == {"temperature": 0.5} and plan["name"] == "model"
    again = CliRunner().invoke(app, line)
    assert again.exit_code and (tmp_path / "m.html").exists()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as made:
        yield made


def see(page: Page, file: Path, width: int = 1280, dark: bool = False) -> Page:
    """Open a page and wait for it to have read what stands there."""
    page.open(file.as_uri(), width, 900, dark)
    page.until("typeof panels !== 'undefined' && !!panels.view")
    return page


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["llama", "bart", "t5", "gpt2"])
def test_a_browser_writes_the_ids_of_python_for_fifty_prompts(page: Page, preset: str, tmp_path: Path) -> None:
    made = model(preset)
    file = shown.exported(made, tmp_path / "a.html")
    wanted = shown.greedy(shown.rounded(made), TEXTS, 24)
    script = f"(() => {{ const texts = {json.dumps(TEXTS)}, most = 24; return {shown.GREEDY}; }})()"
    assert len(TEXTS) == 50 and see(page, file).run(script) == wanted
    assert page.requested == set() and not page.problems


@pytest.mark.slow
def test_a_browser_fills_the_gaps_of_python_for_fifty_texts(page: Page, tmp_path: Path) -> None:
    made, texts = model("bert"), [text.replace(" ", " [MASK] ", 1) for text in TEXTS]
    file, tokenizer = shown.exported(made, tmp_path / "a.html"), made.tokenizer
    mask = tokenizer.vocabulary.mask
    assert mask is not None
    shown.rounded(made)
    see(page, file)
    for text in texts:
        page.run(f"$('source').value = {json.dumps(text)}, changed()")
        found = page.run("[...$('answer').querySelectorAll('.choices')].map((one) => one.children[0].textContent)")
        gaps = fill(made.transformer, made.frame(gapped(tokenizer, text, mask)), mask, 1, tokenizer.size)
        assert found == page.run(f"{[gap[0].id for gap in gaps]}.map((id) => panels.text(id))"), text
    assert page.requested == set() and not page.problems


@pytest.mark.slow
def test_hostile_texts_stay_texts_in_the_browser(page: Page, tmp_path: Path) -> None:
    made = model("llama")
    made.tokenizer = made.tokenizer.replace(made.tokenizer.json.replace("<|reserved_3|>", json.dumps(HOSTILE)[1:-1]))
    see(page, pages.write(tmp_path / "a.html", shown.folder(made), name=HOSTILE))
    page.run(f"$('target').value = {json.dumps(HOSTILE)}, changed()")
    page.run(f"fork(2, {made.tokenizer.id_of(HOSTILE)})")
    assert page.run("document.title") == HOSTILE and HOSTILE in page.run("$('targets').textContent")
    assert page.run("window.hit") is None and page.run("document.scripts.length") == 4
    assert page.requested == set() and not page.problems


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("preset", FAMILIES)
def test_each_family_fits_the_window_and_works(
    page: Page, preset: str, width: int, language: str, tmp_path: Path
) -> None:
    see(page, shown.exported(model(preset), tmp_path / "a.html"), width, dark=language == "zh")
    page.run(f"language = {language!r}, speak()")
    for side in ("source", "target"):
        page.run(f"$({side!r}).value = 'The [MASK] of a text that is long 中文', changed()")
    if page.run("plan.task === 'write'"):
        page.run("go(6)")
        assert page.run("view.ids.length - view.given") > 0
    assert page.run("document.documentElement.scrollWidth") <= width
    for part in page.run("panels.heads.parts"):
        page.run(f"$('part').value = {part!r}, $('part').dispatchEvent(new Event('change'))")
        rows = page.run(SUMS)
        assert rows and all(abs(total - 1) < 0.02 for total in rows), part
    assert page.run("$('stream').querySelectorAll('meter').length") == 3
    assert page.requested == set() and not page.problems


@pytest.mark.slow
def test_a_choice_is_forked_and_a_head_switched_off_by_the_keyboard(page: Page, tmp_path: Path) -> None:
    see(page, shown.exported(model("llama"), tmp_path / "a.html"))
    page.run("$('target').value = 'a b c', changed()")
    page.run("$('more').value = 4, go(4)")
    before = page.run("view.ids")
    page.run("$('targets').children[4].focus()")
    page.press("ArrowRight", 39)
    assert page.run("panels.at") == 5
    other = page.run("reader.said(4, view.ids[5], 0).top.find(([id], rank) => rank && id !== view.ids[5])[0]")
    rank = page.run(f"reader.said(4, view.ids[5], 0).top.findIndex(([id]) => id === {other})")
    page.press(str(rank), 48 + rank, str(rank))
    page.until(f"view.ids.length === 9 && view.ids[5] === {other}")
    assert page.run("view.ids.slice(0, 5)") == before[:5]
    said = page.run("[...reader.scores(3)]")
    page.run("$('heads').querySelector('[aria-current=true]').focus()")
    page.press("ArrowRight", 39)
    page.press("o", 79, "o")
    page.until("reader.off.size === 1 && reader.states.length > 3")
    assert page.run("[...reader.off]") == ["decoder.0.attention.1"] and page.run("[...reader.scores(3)]") != said
    page.press("o", 79, "o")
    page.until("reader.off.size === 0 && reader.states.length > 3")
    assert page.run("[...reader.scores(3)]") == said
