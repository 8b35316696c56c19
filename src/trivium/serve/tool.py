"""Tools: how a model is told what it may call, and which calls are in the text that it writes.

The form is that of Qwen and Hermes, and of the rows of training: `<tool_call>` stands around each call. A model that
was tuned here on conversations is told of tools as its rows were; any other one by its own chat template.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any, NamedTuple
from uuid import uuid4

from pydantic import StringConstraints

from trivium.api import Model
from trivium.base.config import Config
from trivium.base.types import Message
from trivium.infer.grammar import call_grammar
from trivium.infer.write import overlap
from trivium.rows.turns import merge, turns_of, with_tools
from trivium.serve.error import ApiError
from trivium.token import template

OPEN, CLOSE = "<tool_call>", "</tool_call>"


class Call(NamedTuple):
    """A call of a tool; the arguments are the text of a JSON object."""

    name: str
    arguments: str
    id: str


class Said(NamedTuple):
    """One turn of a conversation; `call` is the call that it is the result of."""

    role: str
    text: str
    calls: tuple[Call, ...] = ()
    call: str | None = None


Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]
"""The name of a tool."""


class Function(Config):
    """A tool; `parameters` is the JSON Schema of its arguments."""

    name: Name
    description: str | None = None
    parameters: Mapping[str, Any] | None = None
    strict: bool | None = None


class Tools(NamedTuple):
    """The tools of a request; one of `must` has to be called, where there are any."""

    functions: tuple[Function, ...] = ()
    must: tuple[str, ...] = ()
    parallel: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tools."""
        return tuple(one.name for one in self.functions)

    @property
    def tables(self) -> list[dict[str, Any]]:
        """The tools as they are shown to a model."""
        shown = [one.model_dump(exclude={"strict"}, exclude_none=True) for one in self.functions]
        return [{"type": "function", "function": one} for one in shown]

    @property
    def grammar(self) -> str | None:
        """The grammar of an answer that must be a call; None where it may be words."""
        if not self.must:
            return None
        schemas = {one.name: one.parameters or {"type": "object"} for one in self.functions}
        return call_grammar({name: schemas[name] for name in self.must})


def tools_of(functions: Sequence[Function], choice: str = "auto", parallel: bool = True) -> Tools:
    """Return the tools of a request; `choice` is auto, none, required, or `=` and a name.

    Raise ApiError for tools or a choice that cannot be honoured.
    """
    names = [one.name for one in functions]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ApiError(f"tools: two have the name {twice!r}", param="tools")
    if choice == "none":
        return Tools()
    named = choice.removeprefix("=") if choice.startswith("=") else None
    if (named is not None and named not in names) or (choice == "required" and not names):
        raise ApiError(f"tool_choice: there is no tool {named or ''!r}; tools: {names}", param="tool_choice")
    must = (named,) if named is not None else tuple(names) if choice == "required" else ()
    if not must and any(one.strict for one in functions):
        raise ApiError("tools: strict is honoured with tool_choice required or a name only", param="tools")
    return Tools(tuple(functions), must, parallel)


def by_rows(model: Model) -> bool:
    """Return whether a model is told of tools as rows of training are."""
    return template.asked_by_template(model.record)


def can_call(model: Model) -> bool:
    """Return whether a model can be told of tools: by rows of training, or by its chat template."""
    if by_rows(model):
        return True
    text = model.tokenizer.chat_template or ""
    return OPEN in text and "tools" in text


def messages_of(model: Model, turns: Sequence[Said | Message], tools: Tools) -> list[Message]:
    """Return a conversation as messages, with calls and results as texts; ApiError where the model knows no tools."""
    calls = any(isinstance(one, Said) and (one.calls or one.call is not None) for one in turns)
    if not calls and not tools.functions:
        return [one if isinstance(one, Message) else Message(one.role, one.text) for one in turns]
    if not can_call(model):
        raise ApiError(f"tools: {model.name} cannot call tools: its chat template has no place for them", param="tools")
    made: list[Message] = []
    for one in in_order(turns):
        if isinstance(one, Message) or not (one.calls or one.role == "tool"):
            made.append(Message(one.role, one.content if isinstance(one, Message) else one.text))
            continue
        functions = [{"function": {"name": call.name, "arguments": call.arguments}} for call in one.calls]
        try:
            made += turns_of([{"role": one.role, "content": one.text, "tool_calls": functions}], "messages", {})[0]
        except ValueError as wrong:
            raise ApiError(str(wrong), param="messages") from None
    return list(with_tools(merge(made), tools.tables) if by_rows(model) else merge(made))


def in_order(turns: Sequence[Said | Message]) -> Iterator[Said | Message]:
    """Yield turns, the results of calls in the order of the calls; ApiError for the result of no call."""
    order: list[str] = []
    for results, some in groupby(turns, key=lambda one: isinstance(one, Said) and one.call is not None):
        group: list[Any] = list(some)
        if wrong := [one.call for one in group if results and one.call not in order]:
            raise ApiError(f"messages: a result names the call {wrong[0]!r:.60}, and there is none", param="messages")
        yield from sorted(group, key=lambda one: order.index(one.call)) if results else group
        order = [call.id for call in getattr(group[-1], "calls", ())]


class Speech:
    """The words and the calls of an answer, as its text comes."""

    def __init__(self, names: Collection[str]) -> None:
        """`names` are those of the tools; without any, all is words."""
        self.names, self.called = names, False
        self._held = ""

    def push(self, text: str, last: bool = False) -> list[str | Call]:
        """Take a piece of text; return the words and calls that are now whole."""
        if not self.names:
            return [text] if text else []
        self._held += text
        found: list[str | Call] = []
        while (at := self._held.find(OPEN)) >= 0 and ((end := self._held.find(CLOSE, at)) >= 0 or last):
            inner = self._held[at + len(OPEN) : end if end >= 0 else None]
            rest = self._held[end + len(CLOSE) :] if end >= 0 else ""
            call = self._read(inner)
            words = self._held[:at].rstrip() if call else self._held[: len(self._held) - len(rest)]
            found += [*([words] if words else []), *([call] if call else [])]
            self._held, self.called = rest, self.called or call is not None
        held = self._held if at < 0 else self._held[:at]
        if not (last and not self.called):  # spaces stand beside calls, and are no words
            held = held[: len(held) - (0 if last or at >= 0 else overlap(held, OPEN))].rstrip()
        self._held = self._held[len(held) :]
        return [*found, held] if held else found

    def _read(self, text: str) -> Call | None:
        try:
            found = json.loads(text)
            name, arguments = found["name"], found.get("arguments", {})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        if name not in self.names or not isinstance(arguments, dict):
            return None
        return Call(name, json.dumps(arguments, ensure_ascii=False), f"call_{uuid4().hex}")
