"""Turns of a conversation as people write them: names of speakers, parts of content, tools, thoughts.

A turn is a table with a name (`role`, `from`, `speaker` or `author`) and a text (`content`, `value`, `text` or
`utterance`), a table whose keys are names of roles (`{"human": ..., "assistant": ...}`), or a text alone.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from trivium.base.types import Message
from trivium.token.role import NAMES, role_of

NAME, TEXT = ("role", "from", "speaker", "author"), ("content", "value", "text", "utterance")
THOUGHT = ("reasoning_content", "reasoning", "thinking")
"""The keys of what an assistant thinks before it answers."""
CALLS = ("function_call", "tool_call")
"""Speakers who call a tool; only rows have them."""
READ = {*NAME, *TEXT, *THOUGHT, "tool_calls", "function_call", "train", "weight"}
"""The keys of a turn that are read."""
PARTS = ("text", "input_text", "output_text")
STRANGERS = (
    "two unknown speakers take turns: the first is read as the user, the other as the assistant "
    "(data.rows.speakers overrides it)"
)
NAMELESS = "turns without speakers: the first is read as the user's, the next as the assistant's"


def turns_of(
    given: Sequence[Any], key: str, speakers: Mapping[str, str], usual: tuple[str, str] = ("role", "content")
) -> tuple[list[Message], list[str]]:
    """Return turns as messages, and a remark for each guess that was made about who speaks.

    `key` is where the turns stand, `usual` the names of a turn's keys there, for error messages. `speakers` gives
    names roles. A turn that cannot be read is a ValueError.
    """
    turns, remarks = list(_tables(given, key, usual)), []
    if given and all(isinstance(turn, str) for turn in given):
        remarks.append(NAMELESS)
    names = [turn[_key(turn, NAME)].strip().lower() for turn in turns]
    roles = {name.strip().lower(): role for name, role in speakers.items()}
    found = {name: roles.get(name) or role_of(name) or ("call" if name in CALLS else None) for name in names}
    others = [name for name, role in found.items() if role != "system"]
    if len(others) == 2 and not any(found[name] for name in others):
        found |= dict(zip(others, ("user", "assistant"), strict=True))
        remarks.append(STRANGERS)
    made = []
    for i, (turn, name) in enumerate(zip(turns, names, strict=True)):
        if (role := found[name]) is None:
            raise ValueError(
                f"{key}[{i}].{_key(turn, NAME)}: expected one of {', '.join(NAMES)}, found {name!r:.60}; "
                "`speakers` gives it a role"
            )
        made += _messages(turn, role, f"{key}[{i}]", usual[1])
    return made, remarks


def unread(given: Any) -> Iterator[str]:
    """Yield the keys of turns that are not read, once for each turn; a weight between 0 and 1 is one of them."""
    for turn in given if isinstance(given, list | tuple) else ():
        if isinstance(turn, dict) and _key(turn, NAME) in turn:
            yield from (key for key, value in turn.items() if key not in READ and value not in (None, "", [], {}))
            if turn.get("weight") not in (None, 0, 1):
                yield "weight"


def said(text: str, key: str) -> str:
    """Return a text; a blank one is a ValueError that names its key."""
    if not text.strip():
        raise ValueError(f"{key}: expected some text, found {text!r}")
    return text


def merge(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Join successive turns of one speaker by a newline, unless one of them is trained and the other is not."""
    merged: list[Message] = []
    for message in messages:
        if merged and (merged[-1].role, merged[-1].train) == (message.role, message.train):
            last = merged.pop()
            thought = "\n".join(one for one in (last.reasoning, message.reasoning) if one) or None
            message = Message(message.role, f"{last.content}\n{message.content}", message.train, thought)
        merged.append(message)
    return tuple(merged)


def history_of(given: Any) -> list[Message]:
    """Return the turns before a prompt: pairs of a question and its answer, or turns; another form is a ValueError."""
    turns: list[Any] = []
    for i, one in enumerate(given if isinstance(given, list | tuple) else [given]):
        if isinstance(one, list | tuple) and len(one) == 2 and all(isinstance(text, str) for text in one):
            turns += [{"role": "user", "content": one[0]}, {"role": "assistant", "content": one[1]}]
        elif isinstance(one, dict):
            turns.append(one)
        else:
            raise ValueError(f"history[{i}]: expected [question, answer] or a turn with its role, found {one!r:.60}")
    return turns_of(turns, "history", {})[0]


def with_tools(turns: Sequence[Message], tools: Any) -> tuple[Message, ...]:
    """Add the tools to the end of the first system turn."""
    if isinstance(tools, str):
        try:
            tools = json.loads(tools) if tools.strip() else None
        except (ValueError, RecursionError):
            tools = 0
    if not isinstance(tools, list | tuple | None):
        raise ValueError("tools: expected a list, or JSON of one")
    if not tools:
        return tuple(turns)
    lines = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    text = (
        f"You may call these tools:\n<tools>\n{lines}\n</tools>\n"
        'Call one by {"name": ..., "arguments": {...}} between <tool_call> and </tool_call>.'
    )
    if turns and turns[0].role == "system":
        return (Message("system", f"{turns[0].content}\n\n{text}", turns[0].train), *turns[1:])
    return (Message("system", text), *turns)


def _tables(given: Sequence[Any], key: str, usual: tuple[str, str]) -> Iterator[dict[str, Any]]:
    """Yield each turn as a table with a name and a text."""
    for i, turn in enumerate(given):
        if isinstance(turn, str):
            yield {usual[0]: ("user", "assistant")[i % 2], usual[1]: turn}
        elif not isinstance(turn, dict):
            raise ValueError(f"{key}[{i}]: expected a turn with {usual[0]} and {usual[1]}, found {turn!r:.60}")
        elif isinstance(turn.get(_key(turn, NAME)), str):
            yield turn
        elif turn and all(role_of(str(name)) and isinstance(text, str) for name, text in turn.items()):
            yield from ({usual[0]: name, usual[1]: text} for name, text in turn.items())
        else:
            raise ValueError(f"{key}[{i}].{usual[0]}: required, and not given, found {turn!r:.60}")


def _key(turn: Mapping[str, Any], names: Sequence[str], default: str = "") -> str:
    """Return the first of these keys that a turn has."""
    return next((name for name in names if turn.get(name) is not None), default or names[0])


def _messages(turn: Mapping[str, Any], role: str, where: str, usual: str) -> list[Message]:
    """Return a turn as a message, tools as text; an empty system turn gives none."""
    train, weight = turn.get("train"), turn.get("weight")
    if not isinstance(train, bool | None):
        raise ValueError(f"{where}.train: expected true or false, found {train!r:.60}")
    if not isinstance(weight, bool | int | float | None):
        raise ValueError(f"{where}.weight: expected a number, found {weight!r:.60}")
    train = train if train is not None or weight is None else weight > 0
    given = turn.get("tool_calls") or ([turn["function_call"]] if turn.get("function_call") else [])
    if not isinstance(given, list | tuple):
        raise ValueError(f"{where}.tool_calls: expected a list, found {given!r:.60}")
    calls = [_call(_function(call, f"{where}.tool_calls")) for call in given]
    name = _key(turn, TEXT, usual)
    if name not in turn and not calls:
        raise ValueError(f"{where}.{usual}: required, and not given, found {turn!r:.60}")
    key, text = f"{where}.{name}", _text(turn.get(name), f"{where}.{name}")
    text = "\n".join([text, *calls] if text or not calls else calls)
    if role == "system" and not text.strip():
        return []
    if role == "tool":
        return [Message("user", f"<tool_response>\n{text}\n</tool_response>", train)]
    if role == "call":
        return [Message("assistant", _call(said(text, key)), train)]
    thought = turn.get(_key(turn, THOUGHT))
    if not isinstance(thought, str | None):
        raise ValueError(f"{where}.{_key(turn, THOUGHT)}: expected a text, found {thought!r:.60}")
    return [Message(role, said(text, key), train, thought if role == "assistant" else None)]


def _call(function: str) -> str:
    return f"<tool_call>\n{function}\n</tool_call>"


def _text(content: Any, key: str) -> str:
    """Return the text of a message, which may have parts."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list | tuple):
        raise ValueError(f"{key}: expected a text, found {content!r:.60}")
    for i, part in enumerate(content):
        known = isinstance(part, dict) and part.get("type", "text") in PARTS and isinstance(part.get("text"), str)
        if not known:
            raise ValueError(f"{key}[{i}]: expected a part of type text, found {str(part)!r:.60}")
    return "".join(part["text"] for part in content)


def _function(call: Any, key: str) -> str:
    function = call.get("function", call) if isinstance(call, dict) else call
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ValueError(f"{key}: expected a function with its name, found {str(call)!r:.60}")
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            raise ValueError(f"{key}: arguments: expected JSON, found {arguments!r:.60}") from None
    return json.dumps({"name": function["name"], "arguments": arguments}, ensure_ascii=False)
