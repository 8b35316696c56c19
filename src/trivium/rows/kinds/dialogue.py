"""Rows of several turns: our own dialogues, OpenAI's `messages`, ShareGPT's `conversations`.

    {"dialogue": [{"speaker": "user", "text": "..."}, ...], "response": "..."}      or "turns", the last is the answer
    {"messages": [{"role": "user", "content": "...", "train": true}, ...], "tools": [...]}
    {"conversations": [{"from": "human", "value": "..."}, ...], "system": "...", "tools": "..."}

Rules for unusual rows:
- Successive turns of one speaker become one turn, joined by a newline. So does a `response` after an assistant turn.
- A conversation may begin with the assistant. A system turn may stand anywhere and stays in its place. An empty
  system turn is left out.
- The speaker `system` sets the scene. Corpora of task dialogues give this name to the assistant: if a `dialogue`
  begins with the user, and user and system alternate without another speaker, `system` is the assistant. The option
  `speakers` overrides this, and gives roles to unknown names.
- An error is a conversation that does not end with the assistant, one without turns, an unknown speaker, a blank turn.
- Tools become text in the form of Qwen and Hermes, so that every template can hold them: the tools stand at the end of
  the system turn, a call is the assistant's `<tool_call>`, a result is the user's `<tool_response>`.
- `train` (or OpenAI's `weight` 0 or 1) says whether one turn is trained.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import ConfigDict, Field

from trivium.base.config import Config, Seq
from trivium.base.types import Message
from trivium.rows.record import Conversation, Record, ended, merge, said
from trivium.token.role import NAMES, role_of

CALLS = ("function_call", "tool_call")
"""Speakers who call a tool; only rows have them."""


class Turn(Config):
    """One turn of a dialogue; other keys are ignored."""

    model_config = ConfigDict(extra="ignore")
    speaker: str
    text: str
    train: bool | None = None


class Dialogue(Record, kind="dialogue"):
    """Turns of a dialogue; the answer is the `response`, else the last turn."""

    also: ClassVar = {"dialogue": ("turns",)}
    dialogue: Seq[Turn]
    response: str | None = None

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        if not self.dialogue:
            raise ValueError("dialogue: expected at least one turn, found none")
        names = [turn.speaker.strip().lower() for turn in self.dialogue]
        if "system" not in speakers and takes_turns([role_of(name) or name for name in names]):
            speakers = {**speakers, "system": "assistant"}
        turns = []
        for i, (name, turn) in enumerate(zip(names, self.dialogue, strict=True)):
            role = role_in(name, speakers, f"dialogue[{i}].speaker")
            turns += _turn(role, turn.text, turn.train, f"dialogue[{i}].text")
        if self.response is None:
            return ended(turns, "dialogue")
        return Conversation(merge(turns), (said(self.response, "response"),))


class OpenAIMessage(Config):
    """One message in OpenAI's form."""

    model_config = ConfigDict(extra="ignore")
    role: str
    content: str | Seq[dict[str, Any]] | None = None
    tool_calls: Seq[dict[str, Any]] | None = None
    train: bool | None = None
    weight: float | None = Field(None, strict=False)


class Messages(Record, kind="messages"):
    """OpenAI's messages; the last is the answer."""

    messages: Seq[OpenAIMessage]
    tools: Seq[dict[str, Any]] | str | None = None

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        turns = []
        for i, one in enumerate(self.messages):
            where = f"messages[{i}]"
            role = role_in(one.role, speakers, f"{where}.role")
            train = one.train if one.train is not None or one.weight is None else one.weight > 0
            calls = [_call(_function(call, f"{where}.tool_calls")) for call in one.tool_calls or ()]
            text = _text(one.content, f"{where}.content")
            turns += _turn(role, "\n".join([text, *calls] if text or not calls else calls), train, f"{where}.content")
        return ended(_with_tools(turns, self.tools), "messages")


class ShareGPTTurn(Config):
    """One turn in ShareGPT's form."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)
    speaker: str = Field(alias="from")
    value: str
    train: bool | None = None


class ShareGPT(Record, kind="sharegpt"):
    """ShareGPT's conversations; the last turn is the answer."""

    conversations: Seq[ShareGPTTurn]
    system: str | None = None
    tools: Seq[dict[str, Any]] | str | None = None

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        turns = [Message("system", self.system)] if self.system and self.system.strip() else []
        for i, one in enumerate(self.conversations):
            where = f"conversations[{i}]"
            role = role_in(one.speaker, speakers, f"{where}.from")
            turns += _turn(role, one.value, one.train, f"{where}.value")
        return ended(_with_tools(turns, self.tools), "conversations")


def takes_turns(names: Sequence[str]) -> bool:
    """Return whether only user and system speak, in turn, and the user begins: then `system` is the assistant."""
    return len(names) > 1 and all(name == ("user", "system")[i % 2] for i, name in enumerate(names))


def _call(function: str) -> str:
    return f"<tool_call>\n{function}\n</tool_call>"


def role_in(name: str, speakers: Mapping[str, str], key: str) -> str:
    """Return the role of a speaker, or `call` for a call of a tool; an unknown name is a ValueError at `key`.

    `speakers` gives names roles and goes first.
    """
    known = name.strip().lower()
    role = {one.strip().lower(): role for one, role in speakers.items()}.get(known) or role_of(known)
    if role is None and known in CALLS:
        return "call"
    if role is None:
        raise ValueError(f"{key}: expected one of {', '.join(NAMES)}, found {name!r:.60}; `speakers` gives it a role")
    return role


def _turn(role: str, text: str, train: bool | None, key: str) -> list[Message]:
    """Return a turn as a message, tools as text; an empty system turn gives none."""
    if role == "system" and not text.strip():
        return []
    if role == "tool":
        return [Message("user", f"<tool_response>\n{text}\n</tool_response>", train)]
    if role == "call":
        return [Message("assistant", _call(said(text, key)), train)]
    return [Message(role, said(text, key), train)]


def _text(content: str | Sequence[dict[str, Any]] | None, key: str) -> str:
    """Return the text of a message, which may have parts."""
    if content is None or isinstance(content, str):
        return content or ""
    for i, part in enumerate(content):
        if part.get("type", "text") != "text" or not isinstance(part.get("text"), str):
            raise ValueError(f"{key}[{i}]: expected a part of type text, found {str(part)!r:.60}")
    return "".join(part["text"] for part in content)


def _function(call: dict[str, Any], key: str) -> str:
    function = call.get("function", call)
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ValueError(f"{key}: expected a function with its name, found {str(call)!r:.60}")
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            raise ValueError(f"{key}: arguments: expected JSON, found {arguments!r:.60}") from None
    return json.dumps({"name": function["name"], "arguments": arguments}, ensure_ascii=False)


def _with_tools(turns: list[Message], tools: Sequence[dict[str, Any]] | str | None) -> list[Message]:
    """Add the tools to the end of the first system turn."""
    if isinstance(tools, str):
        try:
            tools = json.loads(tools) if tools.strip() else None
        except ValueError:
            raise ValueError(f"tools: expected a list, or JSON of one, found {tools!r:.60}") from None
    if not tools:
        return turns
    lines = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    text = (
        f"You may call these tools:\n<tools>\n{lines}\n</tools>\n"
        'Call one by {"name": ..., "arguments": {...}} between <tool_call> and </tool_call>.'
    )
    if turns and turns[0].role == "system":
        return [Message("system", f"{turns[0].content}\n\n{text}", turns[0].train), *turns[1:]]
    return [Message("system", text), *turns]
