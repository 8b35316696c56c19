"""A chat template in Jinja becomes ids and loss mask, without any text of a person ever passing through it.

The template is rendered once for each order of speakers, with a private mark in place of each message. Between the
marks stands what the template writes itself: control tokens, recognised there and nowhere else, and plain text. Then
the contents take the places of their marks, and what lies between two control tokens is encoded in one piece with
control tokens disabled, so the ids are those of the stock rendering and no content can forge one.

What the assistant writes is found by structure: it begins where the prompt for it ends (the template rendered up to
there, asking for an answer), and it ends with the first control token behind its content. A template whose prompt is
no prefix of the conversation that follows, that leaves the answer out or that ends it without a control token is an
error, found by `check` before anything is trained.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import tokenizers

from trivium.base.errors import DataError
from trivium.base.types import Message, Segment
from trivium.token.sandbox import Sandbox, TemplateError
from trivium.token.tokenizer import Tokenizer

OPEN, CLOSE = "\ue0f1\ue0a7", "\ue0a7\ue0f1"
"""What stands around a number where a message will be: characters without a meaning, a case or a width."""
MARK = re.compile(f"{OPEN}(\\d+){CLOSE}")
SANDBOX = Sandbox()
PROBE = ("user", "assistant", "user", "assistant")
CONTENTS = (
    "plain words",
    "  spaces around  ",
    "\nlines\n\n",
    "<think>\nso\n</think>\n\nthus",
    "{{ x }} {% if %}",
    "é 中文 😀",
)
"""What a template is compared on with the stock rendering: it may trim, cut or look into what is said."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a rendered conversation: a control token (`token`), or texts and numbers of messages (`parts`)."""

    parts: tuple[str | int, ...] = ()
    token: int | None = None
    message: int = -1
    """The message that it belongs to; -1 is none."""
    answer: int | None = None
    """The message whose answer it is a part of, to be trained with it."""


class Script:
    """A template in Jinja with the tokenizer that it is for."""

    def __init__(self, text: str, tokenizer: Tokenizer) -> None:
        self.text, self.tokenizer = text, tokenizer
        self._control = {tokenizer.token(index): index for index in tokenizer.special}
        names = sorted(filter(None, self._control), key=len, reverse=True)
        self._split = re.compile(f"({MARK.pattern.replace('(', '(?:')}|{'|'.join(map(re.escape, names)) or '(?!)'})")
        self._skeleton = lru_cache(maxsize=4096)(self._make_skeleton)
        self._raw = lru_cache(maxsize=4096)(self._render_raw)
        self._trims = lru_cache(maxsize=16)(self._find_trim)

    def render(self, messages: Sequence[Message], generate: bool = False) -> list[Segment]:
        """Render a conversation; with `generate` it ends where the assistant is to speak."""
        roles = tuple(message.role for message in messages)
        trains = [not generate and (m.role == "assistant" if m.train is None else m.train) for m in messages]
        trained = tuple(i for i, train in enumerate(trains) if train)
        texts = [m.content.strip() if self._trims(m.role) else m.content for m in messages]
        segments: list[Segment] = []
        for piece in self._skeleton(roles, generate, trained):
            train = piece.answer is not None and trains[piece.answer]
            if piece.token is not None:
                found: tuple[int, ...] = (piece.token,)
            else:
                found = tuple(
                    self.tokenizer.encode("".join(texts[p] if isinstance(p, int) else p for p in piece.parts))
                )
            role = messages[piece.message].role if piece.message >= 0 else ""
            if generate and piece.message == -1 and segments:
                role = "assistant"
            if found:
                segments.append(Segment(found, train, role))
        return segments

    @cached_property
    def end(self) -> int:
        """The id that ends an answer."""
        return self._ends(len(PROBE) - 1)

    def check(self) -> None:
        """Refuse a template whose last answer cannot be trained: see the module."""
        end, bos = self.end, self.tokenizer.vocabulary.bos
        begins = sum(piece.token == bos for piece in self._skeleton(PROBE, False, ()) if bos is not None)
        if begins > 1 and bos not in (end, self.tokenizer.vocabulary.eos):
            raise TemplateError(f"the chat template writes {begins} BOS tokens; expected one")

    def _ends(self, turn: int) -> int:
        pieces = self._skeleton(PROBE, False, (turn,))
        return [piece.token for piece in pieces if piece.answer == turn and piece.token is not None][-1]

    def differences(self) -> list[str]:
        """What stock rendering would make of some contents that is not what is made of them here, one a line."""
        stock = _stock(self.tokenizer)
        found = []
        for content in CONTENTS:
            for other in (content, "plain words"):
                messages = [Message(role, content if role == "assistant" else other) for role in PROBE]
                theirs = stock.encode(self._jinja([(m.role, m.content) for m in messages], False)).ids
                ours = [index for segment in self.render(messages) for index in segment.ids]
                if theirs != ours:
                    read, here = self.tokenizer.decode(theirs), self.tokenizer.decode(ours)
                    found.append(
                        f"the chat template makes something else of {content!r} than its text: stock reads "
                        f"{read!r}, here it is {here!r}"
                    )
                    break
        return found

    def _find_trim(self, role: str) -> bool:
        """Whether the template strips white space around what this role says."""
        turns = [("user", "a"), ("assistant", "b")] if role in ("user", "assistant") else [(role, "a"), ("user", "b")]
        try:
            text = self._jinja([(who, f" \t{said}{CLOSE} " if who == role else said) for who, said in turns], False)
        except TemplateError:
            return False
        return CLOSE in text and " \t" not in text and f"{CLOSE} " not in text

    def _jinja(self, messages: Sequence[tuple[str, str]], generate: bool) -> str:
        variables = {
            **self.tokenizer.roles,
            "messages": [{"role": role, "content": text} for role, text in messages],
            "tools": None,
            "documents": None,
            "add_generation_prompt": generate,
        }
        return SANDBOX.render(self.text, variables)

    def _render_raw(self, roles: tuple[str, ...], generate: bool) -> str:
        return self._jinja([(role, f"{OPEN}{i}{CLOSE}") for i, role in enumerate(roles)], generate)

    def _make_skeleton(self, roles: tuple[str, ...], generate: bool, trained: tuple[int, ...]) -> tuple[Piece, ...]:
        text = self._raw(roles, generate)
        begins: dict[int, int] = {}
        for i, role in enumerate(roles):
            if role != "assistant" and i not in trained:
                continue
            marks = [mark.start() for mark in MARK.finditer(text) if mark[1] == str(i)]
            try:
                if len(marks) != 1:
                    raise TemplateError(
                        f"the chat template shows turn {i + 1} (of the {role}) {len(marks)} times; expected once"
                    )
                begins[i] = self._begin(roles, i, text, marks[0]) if role == "assistant" else marks[0]
            except TemplateError:
                if i in trained:
                    raise
        return self._cut(text, begins, trained)

    def _begin(self, roles: tuple[str, ...], turn: int, text: str, mark: int) -> int:
        """Where the assistant begins to write: where the prompt for this turn ends."""
        try:
            prompt = self._raw(roles[:turn], True)
        except TemplateError:  # some cannot begin with nothing; then the header of any other turn shows it
            header = self._header
            if not header or not text[:mark].endswith(header):
                raise
            return mark
        if not text.startswith(prompt):
            raise TemplateError(
                f"the chat template's prompt for turn {turn + 1} is no prefix of the conversation that "
                "follows; train the last answer alone, where the template allows that"
            )
        return len(prompt)

    @cached_property
    def _header(self) -> str:
        """What asks the assistant to speak."""
        asked, before = self._raw(("user",), True), self._raw(("user",), False)
        return asked.removeprefix(before) if asked.startswith(before) else ""

    def _cut(self, text: str, begins: dict[int, int], trained: tuple[int, ...]) -> tuple[Piece, ...]:
        """The rendered text as pieces, cut at control tokens and where an answer begins."""
        pieces: list[Piece] = []
        parts: list[str | int] = []
        starts = {at: turn for turn, at in begins.items()}
        answer: int | None = None
        said: int | None = None
        """The message whose content came last and whose end is still to come."""
        pending: list[int] = []
        """Pieces that wait to learn which message they belong to."""

        def flush() -> None:
            if parts:
                owner = next((part for part in parts if isinstance(part, int)), None)
                place(Piece(parts=tuple(parts), message=-1 if owner is None else owner, answer=answer), owner)
                parts.clear()

        def place(piece: Piece, owner: int | None) -> None:
            pieces.append(piece)
            if owner is None:
                pending.append(len(pieces) - 1)
                return
            for index in pending:
                old = pieces[index]
                pieces[index] = Piece(old.parts, old.token, owner, old.answer)
            pending.clear()

        at = 0
        cuts = sorted(
            {
                *starts,
                *(m.start() for m in self._split.finditer(text)),
                *(m.end() for m in self._split.finditer(text)),
                len(text),
            }
        )
        for stop in cuts:
            run, begin, at = text[at:stop], at, stop
            if begin in starts:
                flush()
                answer = starts[begin]
            if not run:
                continue
            if mark := MARK.fullmatch(run):
                said = int(mark[1])
                parts.append(said)
            elif run in self._control and self._split.fullmatch(run):
                flush()
                place(Piece(token=self._control[run], message=-1 if said is None else said, answer=answer), said)
                if said is not None and said == answer:
                    answer = None
                said = None
            else:
                parts.append(run)
        flush()
        if answer in trained and said == answer:
            raise TemplateError(
                "the chat template ends an answer without a control token; nothing could tell a model to stop"
            )
        return tuple(pieces)


@lru_cache(maxsize=8)
def script(text: str, tokenizer: Tokenizer) -> Script:
    """The script of a template, checked; what is wrong with it is a DataError."""
    if len(text) > 1 << 20:
        raise DataError("the chat template is longer than a million characters")
    made = Script(text, tokenizer)
    made.check()
    return made


def _stock(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    """The tokenizer as stock uses it on a rendered template: control tokens in the text are recognised."""
    tree = json.loads(tokenizer.json)
    tree.update(truncation=None, padding=None, post_processor=None)
    names = {tokenizer.token(index) for index in tokenizer.special}
    for token in tree.get("added_tokens") or []:
        token["special"] = token["special"] or token["content"] in names
    return tokenizers.Tokenizer.from_str(json.dumps(tree))
