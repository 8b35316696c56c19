"""The page answers, runs no text as a script, keeps what a person said, and fits a phone; looked at in Chromium."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import serving
from browser import Page, browser
from trivium.api import Model
from trivium.cli import app
from trivium.serve.routes.page import HTML, policy

HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>"\'</textarea></div>${window.hit=1}&lt;'
SINKS = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write\w*|eval|Function|createContextualFragment|DOMParser|"
    r"srcdoc|setHTMLUnsafe|javascript:)\b|set(?:Timeout|Interval)\(\s*[\"'`]"
)
OUT = ["", "</div>", "</textarea>", '">', "'>", "</script>", "-->", "]]>", "\u202e", "&lt;"]
"""What might end the place that a text stands in."""
IN = [
    "<script>HIT</script>",
    "<img src=x onerror=HIT>",
    "<svg onload=HIT>",
    "<iframe srcdoc='<script>parent.HIT</script>'></iframe>",
    '<a href="javascript:HIT">x</a>',
    "<body onload=HIT>",
    "<input autofocus onfocus=HIT>",
    "<details open ontoggle=HIT>x</details>",
    "<video><source onerror=HIT></video>",
    "<math><mtext></style><img src=x onerror=HIT>",
    "[x](javascript:HIT)",
    "![x](//evil.example/a.png)",
    "<link rel=stylesheet href=//evil.example/a>",
    "<meta http-equiv=refresh content='0;url=//evil.example/a'>",
    "<base href=//evil.example/>",
    "<form action=javascript:HIT><button autofocus>x",
    "<object data=//evil.example/a></object>",
    "<style>@import '//evil.example/a'</style>",
    "${HIT}{{HIT}}",
    '" onmouseover="HIT',
]
"""What might run or load something there."""
ANSWERS = "[...allAnswers(roots.at(-1))]"


class Reader(HTMLParser):
    """The texts of scripts and styles, and the attributes, as an independent parser reads them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.attributes: list[tuple[str, str]] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]
        self._inside = f"{tag} {dict(attrs).get('type', '')}".strip()

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style", "script application/json"):
            self.texts[self._inside] = self.texts.get(self._inside, "") + data


def test_the_page_is_served_without_a_key_and_may_run_its_own_script_alone() -> None:
    with serving.catalog(key="secret") as made:
        found, models = serving.ask(made, lambda client: client.get("/"), lambda client: client.get("/v1/models"))
    assert found.status_code == 200 and found.text == HTML and models.status_code == 401
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert found.headers["x-content-type-options"] == "nosniff"
    rules = dict(rule.split(" ", 1) for rule in found.headers["content-security-policy"].split("; "))
    for tag in ("script", "style"):
        own = base64.b64encode(hashlib.sha256(Reader(HTML).texts[tag].encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{own}'"
    assert rules["default-src"] == "'none'" and rules["connect-src"] == "'self'"
    assert rules["require-trusted-types-for"] == "'script'" and rules["trusted-types"] == "'none'"
    assert policy(HTML) != policy(HTML.replace("use strict", "use loose"))


def test_no_text_becomes_html_and_no_other_host_is_named() -> None:
    assert not SINKS.findall(HTML)
    for bad in ("a.innerHTML = b", "eval(b)", "new Function(b)", "setTimeout('a')", "document.writeln(b)"):
        assert SINKS.search(bad)
    assert not re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]|@import|url\(", HTML)
    assert {name for name, _ in Reader(HTML).attributes} & {"src", "srcset", "onclick", "style", "action"} == set()
    assert {value for name, value in Reader(HTML).attributes if name == "href"} == {"data:,"}


def test_every_word_is_there_in_both_languages() -> None:
    words = json.loads(Reader(HTML).texts["script application/json"])
    assert words["en"].keys() == words["zh"].keys()
    for name, english in words["en"].items():
        assert re.findall(r"\{\w+\}", english) == re.findall(r"\{\w+\}", words["zh"][name]), name
    script = Reader(HTML).texts["script"]
    used = {value for name, value in Reader(HTML).attributes if name in ("data-t", "data-hint", "data-label")}
    used |= set(re.findall(r"\bt\(\"(\w+)\"", script)) | set(re.findall(r"quiet\(\"(\w+)\"", script))
    assert len(used) > 40 and used <= words["en"].keys()


def test_the_script_finds_every_part_that_it_names() -> None:
    reader = Reader(HTML)
    there = {value for name, value in reader.attributes if name == "id"}
    named = set(re.findall(r"\$\(\"([\w-]+)\"\)", reader.texts["script"]))
    made = set(re.findall(r"\[\"(\w+)\", -?\d", reader.texts["script"])) | {"stops"}  # the fields of sampling
    assert len(named) > 40 and named <= there | made


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as made:
        yield made


def dictate(monkeypatch: pytest.MonkeyPatch, model: Model, text: str) -> None:
    """Let the next rows write this text, whatever the model thinks."""
    ids = cycle([*model.tokenizer.encode(text), *model.stop_ids[:1]])
    monkeypatch.setattr("trivium.infer.engine.pick", lambda *_: torch.tensor([next(ids)]))


def send(page: Page, text: str) -> None:
    """Write a message and press Enter, as a person does."""
    page.run("$('message').focus()")
    page.send("Input.insertText", text=text)
    page.press("Enter", 13, "\r")


@pytest.mark.slow
def test_hostile_texts_stay_texts(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    model = serving.tiny(context=512)
    with serving.catalog({"<b onclick=hit=1>": model}) as made, serving.behind_a_socket(made) as url:
        page.open(url)
        page.until("models.length")
        count = page.run("document.querySelectorAll('*').length")
        assert page.run("document.querySelectorAll('img, b').length") == 0
        dictate(monkeypatch, model, HOSTILE)
        send(page, HOSTILE)
        page.until(f"!running.size && {ANSWERS}[0]?.state === 'done'")
        said = page.run("[...document.querySelectorAll('.said')].map((one) => one.textContent)")
        assert said == [HOSTILE, HOSTILE]
        page.run("spell([...allAnswers(roots.at(-1))][0])")
        page.until("texts.length === 1")
        shown = page.run("[...$('spelled').querySelectorAll('button')].map((one) => one.textContent).join('')")
        assert HOSTILE.replace(" ", "·") in shown
        page.run(f"open('attention'); $('source').value = {json.dumps(HOSTILE[:40])}; $('look').requestSubmit()")
        page.until("layers.length")
        page.run("$('source').value = '<img src=x>'.repeat(20); $('look').requestSubmit()")
        page.until("!$('problem').hidden")
        assert page.run("document.querySelectorAll('img, b, script').length") == 2  # the page's own scripts
        assert page.run("window.hit") is None and page.run("document.querySelectorAll('*').length") > count
        refused = "(() => { try { document.body.innerHTML = '<i>x</i>'; } catch (error) { return error.name; } })()"
        assert page.run(refused) == "TypeError"  # the browser too
        problems = [one for one in page.problems if "status of 400" not in one]
        assert len(problems) == 1 and "TrustedHTML" in problems[0], problems


@pytest.mark.slow
def test_two_hundred_attacks_of_a_model_are_text(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    model = serving.tiny(context=2048)
    with serving.catalog({"llama": model}) as made, serving.behind_a_socket(made) as url:
        page.open(url)
        page.until("models.length")
        tags = "[...new Set([...document.querySelectorAll('*')].map((one) => one.localName))].sort()"
        dictate(monkeypatch, model, "ok")
        send(page, "ok")
        page.until(f"!running.size && {ANSWERS}[0]?.state === 'done'")
        plain = page.run(tags)
        for out in OUT:
            text = "\n".join(out + one.replace("HIT", "window.hit=1") for one in IN)
            page.run("$('fresh').click()")
            dictate(monkeypatch, model, text)
            send(page, "ok")
            page.until(f"!running.size && {ANSWERS}[0]?.state === 'done'", 60)
            assert page.run("document.querySelector('.answer .said').textContent") == text
            assert page.run("document.querySelector('.answer .said').childElementCount") == 0
            assert page.run(tags) == plain
        assert page.run("window.hit") is None and not page.problems
        assert len(page.requested) > 1 and all(one.startswith((url, "data:,")) for one in page.requested)


@pytest.mark.slow
def test_a_chat_is_sent_stopped_edited_asked_again_and_saved_as_rows(page: Page, tmp_path: Path) -> None:
    models = {"one": serving.tiny(context=512), "two": serving.tiny("gpt2", context=512)}
    for name, model in models.items():
        model.save(tmp_path / name)
        model.stop_ids = ()  # an answer ends at its limit, or where a person stops it
    with serving.catalog(models) as made, serving.behind_a_socket(made) as url:
        page.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        page.open(url)
        page.until("models.length === 2")
        page.run("$('system').value = 'Be kind.'; $('seed').value = 5; $('max_tokens').value = 12")
        page.run("for (const box of document.querySelectorAll('[name=talker]')) box.checked = true")
        send(page, "hi\nyou")
        page.until(f"!running.size && {ANSWERS}.length === 2")
        turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi\nyou"}]
        for name, model in models.items():
            shown = page.run(f"{ANSWERS}.find((one) => one.model === '{name}')")
            assert shown["text"] == model.chat(turns, 12, temperature=1, seed=5) and shown["prompt"] == turns
        assert len({*page.run(f"{ANSWERS}.map((one) => one.text)")}) == 2
        press = "(at, name) => [...document.querySelectorAll('article')][at].querySelectorAll('button.quiet')"
        click = f"((at, name) => [...({press})(at)].find((one) => one.textContent === t(name)).click())"
        page.run(f"{click}(0, 'good'); {click}(1, 'bad')")
        page.run("$('save-prefer').click()")
        # A second turn goes on from each model's own answer; an answer that is stopped stays.
        page.run("$('max_tokens').value = 400; $('seed').value = ''")
        send(page, "and?")
        page.until("[...running].length === 2 && [...running].every((one) => one.text)")
        page.press("Escape", 27)
        page.until("!running.size")
        last = page.run(f"{ANSWERS}.slice(-2)")
        assert [one["state"] for one in last] == ["stopped", "stopped"] and all(one["text"] for one in last)
        assert [one["prompt"][2]["content"] for one in last] == page.run(
            f"{ANSWERS}.slice(0, 2).map((one) => one.text)"
        )
        assert made.served["one"].worker.load == (0, 0)
        page.run("$('max_tokens').value = 12")
        page.run(f"{click}(2, 'again')")
        page.until(f"!running.size && {ANSWERS}.length === 5")
        page.run(f"{click}(2, 'good'); {click}(3, 'bad')")
        # The up key edits the last message; the version before stays.
        page.run("$('message').focus()")
        page.press("ArrowUp", 38)
        page.until("document.activeElement.value === 'and?'")
        page.send("Input.insertText", text=" but")
        page.press("Enter", 13, "\r")
        page.until(f"!running.size && {ANSWERS}.length === 7")
        assert page.run("[...path()].map((slot) => turnOf(slot).text)") == ["hi\nyou", "and? but"]
        assert page.run("document.querySelector('.turn:last-child .asked').textContent.includes('2/2')")
        page.run(f"{click}(2, 'good')")
        page.run("$('save-chat').click()")
        page.until("true")
        rows = page.run("allRows()")
        assert [len(rows["prefer"]), len(rows["chat"]), rows["left"]] == [1, 2, 1]
        assert not page.problems[1:], page.problems
    for task in ("prefer", "chat"):
        file = waited(tmp_path / f"{task}.jsonl")
        assert [json.loads(line) for line in file.read_text("utf-8").splitlines()] == rows[task]
        words = ["inspect", "--task", task, "--model", str(tmp_path / "one"), "--data", str(file)]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0 and "no row is cut or left out" in done.output, done.output
        assert re.search(rf"{file.name}: {len(rows[task])} rows?, read as", done.output), done.output
        if task == "chat":  # of two answers in a row, the one that was said to be good is trained
            assert [turn.get("train") for turn in rows[task][0]["messages"]] == [None, None, False, None, None]
            told = [line.split() for line in done.output.splitlines()]
            assert {line[3] for line in told if line[-1:] == ["on"]} == {"assistant"}
            assert not [line for line in told if line[-1:] == ["on"] and int(line[2]) < 40]


def waited(file: Path) -> Path:
    """The file of a download, as soon as it is whole."""
    import time

    for _ in range(200):
        if file.exists():
            break
        time.sleep(0.05)
    return file


VOTES: list[tuple[list[tuple[int, str, int]], tuple[list[tuple[str, str]], list[str], int]]] = [
    ([(1, "a", 1), (1, "b", -1)], ([("a", "b")], [], 0)),
    ([(1, "a", 1)], ([], ["a"], 0)),
    ([(1, "a", -1)], ([], [], 1)),
    ([(1, "a", 1), (2, "b", -1)], ([], ["a"], 1)),
    ([(1, "a", 1), (1, "b", 1), (1, "c", -1)], ([("a", "c")], ["b"], 0)),
    ([(1, "a", 1), (1, "b", -1), (1, "c", -1)], ([("a", "b"), ("a", "c")], [], 0)),
    ([(1, "a", 1), (1, "a", -1)], ([], ["a"], 1)),
    ([(1, " ", 1), (1, "b", 0)], ([], [], 0)),
]


@pytest.mark.slow
def test_votes_become_rows(page: Page) -> None:
    with serving.catalog() as made, serving.behind_a_socket(made) as url:
        page.open(url)
        page.until("models.length")
        for votes, (pairs, lone, left) in VOTES:
            given: list[dict[str, Any]] = [
                {"prompt": [{"role": "user", "content": str(prompt)}], "text": text, "vote": vote}
                for prompt, text, vote in votes
            ]
            found = page.run(f"rowsOf({json.dumps(given)})")
            assert [(row["chosen"], row["rejected"]) for row in found["prefer"]] == pairs, votes
            assert [row["messages"][-1]["content"] for row in found["chat"]] == lone and found["left"] == left, votes


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_part_fits_the_window_and_works(page: Page, width: int, language: str) -> None:
    sorter = serving.tiny("bert")
    sorter.equip("classify", ["good", "bad"])
    models = {"llama": serving.tiny(), "t5": serving.tiny("t5"), "bert": serving.tiny("bert"), "sorter": sorter}
    with serving.catalog(models, key="secret") as made, serving.behind_a_socket(made) as url:
        page.open(url, width, dark=width < 500)
        page.until("!$('door').hidden")
        page.run("$('key').value = 'secret'; $('door').requestSubmit()")
        page.until("models.length === 4 && $('door').hidden")
        page.run(f"language = '{language}'; speak()")
        use = {
            "chat": (
                "$('message').value = 'x'.repeat(200); $('max_tokens').value = 90; $('say').requestSubmit()",
                "!running.size",
            ),
            "tokens": (
                "$('text').value = 'abc def '.repeat(9); $('more').value = 9; $('read').requestSubmit()",
                "texts.length",
            ),
            "attention": ("$('source').value = 'x'.repeat(50); $('look').requestSubmit()", "layers.length"),
            "fill": ("$('guess').requestSubmit()", "$('guesses').querySelectorAll('meter').length === 5"),
            "classify": (
                "$('sorted').value = 'x'; $('sort').requestSubmit()",
                "$('labels').querySelectorAll('meter').length === 2",
            ),
            "embed": (
                "$('one').value = $('two').value = 'x'; $('measure').requestSubmit()",
                "/1\\.0000/.test($('cosine').textContent)",
            ),
        }
        assert page.run("[...$('tabs').children].map((one) => one.getAttribute('aria-controls'))") == list(use)
        for tab, (act, done) in use.items():
            page.run(f"open('{tab}')")
            page.run(act)
            page.until(done)
            assert page.run("document.documentElement.scrollWidth <= innerWidth"), tab
            tall = f"[...document.querySelectorAll('#{tab} .choices .note')].every((one) => one.offsetHeight < 30)"
            assert page.run(tall), f"{tab}: numbers are broken into lines"
            assert page.run("$('problem').hidden"), page.run("$('problem').textContent")
        assert page.run("document.documentElement.lang") == language
        dark = "getComputedStyle(document.body).backgroundColor"
        before = page.run(dark)
        page.run("theme = 'auto'; $('theme').click(); $('theme').click()")  # dark
        assert (page.run(dark) == before) == (width < 500)


@pytest.mark.slow
def test_a_token_is_forked_by_the_keyboard(page: Page) -> None:
    model = serving.tiny()
    with serving.catalog({"llama": model}) as made, serving.behind_a_socket(made) as url:
        page.open(url)
        page.until("models.length")
        page.run(
            "open('tokens'); $('temperature').value = 0; $('text').value = 'Hello'; $('more').value = 4;"
            "$('read').requestSubmit()"
        )
        page.until("texts.length === 1")
        page.run("$('spelled').querySelector('[tabindex=\"0\"]').focus()")
        page.press("ArrowRight", 39)
        at = page.run("at")
        assert at == 1 + len(model.encode("Hello"))  # the second new token
        fork = page.run("[...texts[0].tokens.slice(0, at).map((one) => one.id), texts[0].tokens[at].top[2].id]")
        page.press("3", 51, "3")
        page.until("texts.length === 2")
        ids = page.run("texts[1].tokens.map((one) => one.id)")
        assert ids == fork + model.generate([fork], max_new_tokens=16)[0]
        page.run("$('before').click()")
        assert page.run("texts.length") == 1
