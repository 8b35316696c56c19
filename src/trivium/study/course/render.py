"""HTML of the course: a page, and the list of pages. Every file stands alone and names no other host."""

import html
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from trivium.base import plugin
from trivium.base.files import read_json
from trivium.base.policy import embedded, guarded
from trivium.lab.page import STYLE, scrolled
from trivium.study.course import page as pages
from trivium.study.course.page import LANGUAGES, SECTIONS, CoursePage

Words = Mapping[str, str]
END = "</table></div>"
"""How a table of `lab.page` ends."""


class Renderer:
    """Makes HTML of the pages below `home`: Markdown by markdown-it, formulae as MathML."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.words: dict[str, dict[str, str]] = read_json(home / "words.json")
        self.markdown = plugin.extra("markdown_it", "the course").MarkdownIt("commonmark", {"html": False})
        self.latex = cache(plugin.extra("latex2mathml.converter", "the course").convert)
        self.markdown.enable("table")
        self.markdown.core.ruler.push("math", _formulae)
        self.markdown.core.ruler.push("aligned", _aligned)
        self.markdown.add_render_rule("math", lambda _, tokens, at, *rest: self._math(tokens[at].content, "inline"))
        self.markdown.add_render_rule("fence", lambda _, tokens, at, *rest: self._fence(tokens[at]))
        self.markdown.add_render_rule("table_open", lambda *_: scrolled("").removesuffix(END))
        self.markdown.add_render_rule("table_close", lambda *_: END)
        self.markdown.add_render_rule("link_open", _link)

    def page(
        self, page: CoursePage, record: Mapping[str, Any], own: bool, drawing: Any, around: Sequence[CoursePage | None]
    ) -> str:
        """Return a page with the numbers of a record, the person's `own` or ours, between the pages `around` it."""
        words = self.words[language := page.path.parent.name]
        page = page.filled(record["numbers"])
        parts = [f"<h1>{html.escape(page.title)}</h1>", self._text(page.idea)]
        for key, section in zip(SECTIONS, page.sections, strict=True):
            body = self._text(section.body) if key != "questions" else self._questions(page)
            if key == "measure":
                note = f'<p class="note">{html.escape(told(record, own, words))}</p>'
                table, end, rest = body.partition(END)
                body = f"{table}{end}{note}{rest}" if end else body + note
            parts.append(f'<section id="{key}"><h2>{html.escape(section.heading)}</h2>{body}</section>')
        parts.append(_around(around, words))
        names = [fence.name for fence in page.fences("drawing")]
        scripts = ["course.js", *(f"drawings/{name}.js" for name in dict.fromkeys(names))]
        labels = {fence.name: pages.words(fence) for fence in page.fences("drawing")}
        known = {"labels": labels, "data": drawing}
        return self._whole(language, page.title, page.stem, parts, scripts, known)

    def index(self, language: str, listed: Sequence[CoursePage], own: Mapping[str, bool]) -> str:
        """Return the list of pages; those whose numbers are the person's `own` are marked."""
        words, rows = self.words[language], []
        for page in listed:
            done = f' <span class="done">{html.escape(words["done"])}</span>' if own[page.name] else ""
            first = re.split(r"(?<=[.。?？])\s*", page.idea, maxsplit=1)[0]
            link = f'<a href="{page.stem}.html">{html.escape(page.title)}</a>'
            rows.append(f"<li>{link}{done}<br>{self._text(first, inline=True)}</li>")
        title, about = html.escape(words["course"]), html.escape(words["about"])
        body = [f"<h1>{title}</h1>", f"<p>{about}</p>", f'<ol class="contents">{"".join(rows)}</ol>']
        return self._whole(language, words["course"], "index", body, ["course.js"], {})

    def _whole(
        self,
        language: str,
        title: str,
        stem: str,
        parts: Sequence[str],
        scripts: Sequence[str],
        known: Mapping[str, Any],
    ) -> str:
        """Return a whole file: its header with the other language, the parts, the data and the scripts."""
        known = {"words": {key: self.words[language][key] for key in ("copy", "copied")}, **known}
        style = STYLE + (self.home / "style.css").read_text(encoding="utf-8")
        script = "\n".join((self.home / name).read_text(encoding="utf-8") for name in scripts)
        others = "".join(
            f'<a href="../{other}/{stem}.html" lang="{other}" hreflang="{other}">{self.words[other]["language"]}</a>'
            for other in LANGUAGES
            if other != language
        )
        name = html.escape(self.words[language]["course"])
        return guarded(
            f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<title>{html.escape(title)}</title>\n<link rel="icon" href="data:,">\n<style>{style}</style>\n</head>\n'
            f'<body>\n<header><a href="index.html">{name}</a><span></span>{others}</header>\n<main>\n'
            + "\n".join(parts)
            + f'\n</main>\n<script type="application/json" id="known">{embedded(known)}</script>\n'
            f"<script>{script}\ncourse.start();</script>\n</body>\n</html>\n"
        )

    def _text(self, text: str, inline: bool = False) -> str:
        made = self.markdown.renderInline(text) if inline else self.markdown.render(text)
        return str(made).replace(pages.OPEN, '<b class="measured">').replace(pages.CLOSE, "</b>")

    def _questions(self, page: CoursePage) -> str:
        parts = ((self._text(asked, inline=True), self._text(answer)) for asked, answer in page.questions)
        return "".join(f"<details><summary>{asked}</summary>{answer}</details>" for asked, answer in parts)

    def _fence(self, token: Any) -> str:
        kind, _, name = token.info.partition(" ")
        if kind == "math":
            return f'<div class="formula">{self._math(token.content, "block")}</div>'
        if kind == "drawing":
            caption = pages.words(pages.Fence(kind, name, token.content)).get("caption", "")
            told = self._text(caption, inline=True)
            inside = f'<div class="stage"></div><figcaption>{told}</figcaption>'
            return f'<figure class="drawing" data-name="{html.escape(name)}">{inside}</figure>'
        return f'<pre class="{html.escape(kind)}"><code>{html.escape(token.content)}</code></pre>'

    def _math(self, latex: str, display: str) -> str:
        return str(self.latex(latex.strip(), display=display))


def told(record: Mapping[str, Any], own: bool, words: Words) -> str:
    """Return whose the numbers of a record are, from when and from which machine."""
    machine = words["machine"].format(**record["machine"])
    return words["yours" if own else "authors"].format(date=record["date"], seconds=record["seconds"], machine=machine)


def _formulae(state: Any) -> None:
    """Turn code between dollars, as in $`x`$, into formulae."""
    for token in state.tokens:
        inside = token.children or []
        for before, code, after in zip(inside, inside[1:], inside[2:], strict=False):
            if code.type == "code_inline" and before.content.endswith("$") and after.content.startswith("$"):
                before.content, after.content, code.type = before.content[:-1], after.content[1:], "math"


def _aligned(state: Any) -> None:
    """Let classes align the cells of tables, since the policy of a page refuses a style in a tag."""
    for token in state.tokens:
        if side := token.attrs.pop("style", "").removeprefix("text-align:"):
            token.attrJoin("class", side)


def _link(renderer: Any, tokens: Any, at: int, options: Any, env: Any) -> str:
    """Let a link to another page of the course lead to its HTML."""
    token = tokens[at]
    token.attrSet("href", re.sub(r"^([\w-]+)\.md\b", r"\1.html", token.attrGet("href")))
    return str(renderer.renderToken(tokens, at, options, env))


def _around(around: Sequence[CoursePage | None], words: Words) -> str:
    """Return the links to the pages before and after."""
    links = []
    for page, key in zip(around, ("previous", "next"), strict=True):
        inside = "" if page is None else f"<small>{html.escape(words[key])}</small>{html.escape(page.title)}"
        links.append(
            f'<a class="{key}" rel="{key[:4]}" href="{page.stem}.html">{inside}</a>' if page else "<span></span>"
        )
    return f"<nav>{''.join(links)}</nav>"
