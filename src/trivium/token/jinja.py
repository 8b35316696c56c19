"""Jinja chat templates: a conversation becomes ids and loss mask, and no text of a person passes through the template.

The template is rendered once for each order of roles, with a private mark in place of each message and of the
reasoning of each answer, where the template writes it. The text between the marks is the template's own: special
tokens, which are recognised there and nowhere else, and plain text. Then the contents replace their marks. The run
between two special tokens is encoded in one piece with special tokens disabled, so the ids are those of the stock
rendering and no content can forge one.

Answers are found by structure. An answer begins where its prompt ends (the template rendered up to there with
`add_generation_prompt`), and ends with the first special token behind its content. `check` finds a template that
cannot be trained before training starts: its prompt is no prefix of the conversation that follows, it leaves the answer
out, or it ends the answer without a special token.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import tokenizers

from trivium.base.errors import DataError
from trivium.base.types import Message, Segment
from trivium.token.sandbox import Sandbox, Shape, TemplateError, Veil
from trivium.token.tokenizer import Tokenizer

OPEN, CLOSE = "\ue0f1\ue0a7", "\ue0a7\ue0f1"
"""A mark is a number between these private characters, which have no meaning, case or width."""
MARK = re.compile(f"{OPEN}(\\d+){CLOSE}")
SANDBOX = Sandbox()
PROBE = ("user", "assistant", "user", "assistant")
THOUGHT = ("reasoning_content", "thinking", "reasoning")
"""The keys by which templates read the reasoning of a message."""
CONTENTS = ["plain words", "  spaces around  ", "\nlines\n\n", "<think>\nso\n</think>\n\nthus", "{{ x }} {% if %}"]
CONTENTS += ["é 中文 😀"]
"""Contents on which a template is compared with the stock rendering: it may trim, cut or inspect them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a rendered conversation: a special token (`token`), or texts and marks (`parts`).

    The mark 2 i stands for the content of message i, 2 i + 1 for its reasoning.
    """

    parts: tuple[str | int, ...] = ()
    token: int | None = None
    message: int | None = None
    """The message that it belongs to; None only behind the last one."""
    answer: int | None = None
    """The message whose answer it is part of, to be trained with it."""


class Script:
    """A Jinja template together with its tokenizer."""

    def __init__(self, text: str, tokenizer: Tokenizer) -> None:
        self.text, self.tokenizer = text, tokenizer
        self._control = {tokenizer.token(index): index for index in tokenizer.special}
        names = sorted(filter(None, self._control), key=len, reverse=True)
        self._split = re.compile(f"({MARK.pattern.replace('(', '(?:')}|{'|'.join(map(re.escape, names)) or '(?!)'})")
        self._skeleton = lru_cache(maxsize=4096)(self._make_skeleton)
        self._raw = lru_cache(maxsize=4096)(self._render_raw)
        self._trims = lru_cache(maxsize=4096)(self._find_trims)

    def render(
        self, messages: Sequence[Message], generate: bool = False, tools: Sequence[Mapping[str, Any]] = ()
    ) -> list[Segment]:
        """Render a conversation; with `generate` it ends where the assistant is to answer."""
        veil = Veil([*filter(None, self._control)])
        roles = tuple(message.role for message in messages)
        trains = [not generate and (m.role == "assistant" if m.train is None else m.train) for m in messages]
        trained = tuple(i for i, train in enumerate(trains) if train)
        texts: list[str] = []
        for m, (left, right) in zip(messages, self._trims(roles, generate), strict=True):
            said = m.content.lstrip() if left else m.content
            texts += [said.rstrip() if right else said, (m.reasoning or "").strip(self._strip)]
        shape = Shape(roles, self._thinking(messages), json.dumps(veil.hide(list(tools) or None)))
        pieces = self._skeleton(shape, generate, trained)
        parts = ["".join(texts[p] if isinstance(p, int) else veil.lift(p) for p in one.parts) for one in pieces]
        found = self.tokenizer.join(
            [p if one.token is None else one.token for one, p in zip(pieces, parts, strict=True)]
        )
        segments: list[Segment] = []
        for piece, ids in zip(pieces, found, strict=True):
            role = messages[piece.message].role if piece.message is not None else ""
            if generate and piece.message is None and segments:
                role = "assistant"
            if ids:
                segments.append(Segment(tuple(ids), piece.answer is not None and trains[piece.answer], role))
        return segments

    def unwritten(self, messages: Sequence[Message]) -> int:
        """Return how many messages have a reasoning that the template does not write."""
        shape = Shape(tuple(message.role for message in messages), self._thinking(messages))
        written = {part for piece in self._skeleton(shape, False, ()) for part in piece.parts}
        return sum(bool(m.reasoning) and 2 * i + 1 not in written for i, m in enumerate(messages))

    def _thinking(self, messages: Sequence[Message]) -> tuple[int, ...]:
        return tuple(i for i, message in enumerate(messages) if message.reasoning and self._thought)

    @cached_property
    def _thought(self) -> str:
        """The key by which the template reads a reasoning; empty where it reads none."""
        return next((name for name in THOUGHT if re.search(rf"""[.'"]{name}\b""", self.text)), "")

    @cached_property
    def _strip(self) -> str:
        """The characters that the template strips around a reasoning."""
        if not self._thought:
            return ""
        try:
            answer = {**_turn("assistant", "b"), self._thought: f"\n\n\n \t{CLOSE}"}
            text = self._jinja([_turn("user", "a"), answer], False)
        except TemplateError:
            return ""
        return "" if f"\n\n\n \t{CLOSE}" in text else "\n" if f" \t{CLOSE}" in text else " \t\n"

    @cached_property
    def end(self) -> int:
        """The id that ends an answer."""
        turn = len(PROBE) - 1
        pieces = self._skeleton(Shape(PROBE), False, (turn,))
        return [piece.token for piece in pieces if piece.answer == turn and piece.token is not None][-1]

    def check(self) -> None:
        """Raise TemplateError for a template whose last answer cannot be trained: see the module."""
        _ = self.end

    def differences(self) -> list[str]:
        """Return a line for each of `CONTENTS` that stock rendering encodes to other ids than `render`."""
        stock = _stock(self.tokenizer)
        found = []
        for content in CONTENTS:
            for other in (content, "plain words"):
                texts = [content if role == "assistant" else other for role in PROBE]
                trains = [*[False] * (len(PROBE) - 1), None]  # a template may allow no more than the last answer
                messages = [Message(*one) for one in zip(PROBE, texts, trains, strict=True)]
                theirs = stock.encode(self._jinja([_turn(m.role, m.content) for m in messages], False)).ids
                ours = [index for segment in self.render(messages) for index in segment.ids]
                if theirs != ours:
                    found.append(self._difference(content, theirs, ours))
                    break
        return found

    def _difference(self, content: str, theirs: Sequence[int], ours: Sequence[int]) -> str:
        """Return the line about a content that stock encodes as `theirs`."""
        read, here = self.tokenizer.decode(theirs), self.tokenizer.decode(ours)
        if read != here:
            return f"the chat template changes {content!r}: stock reads {read!r}, here it is {here!r}"
        joined, own = next(pair for pair in zip(theirs, ours, strict=False) if pair[0] != pair[1])
        return (
            f"an answer such as {content!r} has other ids than in stock, and the same text: stock joins it with its "
            f"header to {self.tokenizer.token(joined)!r}; here it begins with a token of its own after "
            f"{self.tokenizer.token(own)!r}, as a model writes it"
        )

    def _find_trims(self, roles: tuple[str, ...], generate: bool) -> tuple[tuple[bool, bool], ...]:
        """Return for each message whether the template strips white space before and after its content."""
        marks = [f"{OPEN}{2 * i}{CLOSE}" for i in range(len(roles))]
        try:
            text = self._jinja(
                [_turn(role, f" \t{mark}\t ") for role, mark in zip(roles, marks, strict=True)], generate
            )
        except TemplateError:
            return ((False, False),) * len(roles)
        # A template may write a space of its own beside a content, and no tab.
        return tuple((mark in text and f"\t{mark}" not in text, f"{mark}\t" not in text) for mark in marks)

    def _jinja(self, turns: Sequence[dict[str, str]], generate: bool, tools: str = "null") -> str:
        told = {"tools": json.loads(tools), "documents": None}
        variables = {"messages": turns, **told, "add_generation_prompt": generate}
        return SANDBOX.render(self.text, {**self.tokenizer.roles, **variables})

    def _render_raw(self, shape: Shape, generate: bool) -> str:
        turns = [_turn(role, f"{OPEN}{2 * i}{CLOSE}") for i, role in enumerate(shape.roles)]
        for i in shape.thinking:
            turns[i][self._thought] = f"{OPEN}{2 * i + 1}{CLOSE}"
        return self._jinja(turns, generate, shape.tools)

    def _make_skeleton(self, shape: Shape, generate: bool, trained: tuple[int, ...]) -> tuple[Piece, ...]:
        text = self._raw(shape, generate)
        begins: dict[int, int] = {}  # place in the text -> the message whose answer begins there
        for i, role in enumerate(shape.roles):
            if role != "assistant" and i not in trained:
                continue
            marks = [mark.start() for mark in MARK.finditer(text) if mark[1] == str(2 * i)]
            try:
                if len(marks) != 1:
                    turn = f"turn {i + 1} (of the {role})"
                    raise TemplateError(f"the chat template shows {turn} {len(marks)} times; expected once")
                begin = self._begin(shape, i, text, marks[0]) if role == "assistant" else marks[0]
                begins[begin] = i
            except TemplateError:
                if i in trained:
                    raise
        return self._cut(text, begins, trained)

    def _begin(self, shape: Shape, turn: int, text: str, mark: int) -> int:
        """Return the place where an answer begins: where the prompt for this turn ends."""
        try:
            prompt = self._raw(shape.before(turn), True)
        except TemplateError:  # some cannot begin with nothing; then the header of any other turn shows it
            if not self._header or not text[:mark].endswith(self._header):
                raise
            return mark
        if not text.startswith(prompt):
            if not turn and self._header and text[:mark].endswith(self._header):  # a template may begin before any turn
                return mark
            raise TemplateError(
                f"the chat template's prompt for turn {turn + 1} is no prefix of the conversation that "
                "follows; train the last answer alone, where the template allows that"
            )
        return len(prompt)

    @cached_property
    def _header(self) -> str:
        """The text that asks the assistant to answer."""
        asked, before = self._raw(Shape(("user",)), True), self._raw(Shape(("user",)), False)
        return asked.removeprefix(before) if asked.startswith(before) else ""

    def _cut(self, text: str, begins: dict[int, int], trained: tuple[int, ...]) -> tuple[Piece, ...]:
        """Cut the rendered text into pieces, at special tokens and where an answer begins."""
        pieces: list[Piece] = []
        parts: list[str | int] = []
        answer: int | None = None
        said: int | None = None
        """The message whose content came last and whose end is still to come."""

        def flush() -> None:
            if parts:
                owner = next((part // 2 for part in parts if isinstance(part, int)), None)
                pieces.append(Piece(parts=tuple(parts), message=owner, answer=answer))
                parts.clear()

        found = [*self._split.finditer(text)]
        stops = sorted({*begins, *(m.start() for m in found), *(m.end() for m in found), len(text)})
        for at, stop in zip([0, *stops[:-1]], stops, strict=True):
            if at in begins:
                flush()
                answer = begins[at]
            run = text[at:stop]
            if not run:
                continue
            if mark := MARK.fullmatch(run):
                number = int(mark[1])
                said = said if number % 2 else number // 2
                parts.append(number)
            elif run in self._control and self._split.fullmatch(run):
                flush()
                pieces.append(Piece(token=self._control[run], message=said, answer=answer))
                if said is not None and said == answer:
                    answer = None
                said = None
            else:
                parts.append(run)
        flush()
        if answer in trained and said == answer:
            raise TemplateError(
                "the chat template ends an answer without a special token; a model could not learn where to stop"
            )
        return _owned(pieces)


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _owned(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Give each piece without a message the message of the next piece that has one."""
    owner: int | None = None
    out: list[Piece] = []
    for piece in reversed(pieces):
        owner = owner if piece.message is None else piece.message
        out.append(replace(piece, message=owner))
    return tuple(reversed(out))


@lru_cache(maxsize=8)
def script(text: str, tokenizer: Tokenizer) -> Script:
    """Return the checked script of a template; a DataError says what is wrong with it."""
    if len(text) > 1 << 20:
        raise DataError("the chat template is longer than a million characters")
    made = Script(text, tokenizer)
    made.check()
    return made


def _stock(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    """Return the encoder that stock tools use on a rendered template: it recognises special tokens in the text."""
    tree = json.loads(tokenizer.json)
    tree.update(truncation=None, padding=None, post_processor=None)
    names = {tokenizer.token(index) for index in tokenizer.special}
    for token in tree.get("added_tokens") or []:
        token["special"] = token["special"] or token["content"] in names
    return tokenizers.Tokenizer.from_str(json.dumps(tree))
