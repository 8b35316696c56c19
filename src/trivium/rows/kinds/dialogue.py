"""Rows of several turns: our own dialogues, OpenAI's `messages`, ShareGPT's `conversations`.

    {"dialogue": [{"speaker": "user", "text": "..."}, ...], "response": "..."}      or "turns", "utterances", "dialog"
    {"messages": [{"role": "user", "content": "...", "train": true}, ...], "tools": [...]}
    {"conversations": [{"from": "human", "value": "..."}, ...], "system": "...", "tools": "..."}

Each of the three takes turns in the form of the others: see `turns`. Rules for unusual rows:
- Successive turns of one speaker become one turn, joined by a newline. So does a `response` after an assistant turn.
- A conversation may begin with the assistant. A system turn may stand anywhere and stays in its place. An empty
  system turn is left out.
- The speaker `system` sets the scene. Corpora of task dialogues give this name to the assistant: if a `dialogue`
  begins with the user, and user and system alternate without another speaker, `system` is the assistant. Two unknown
  speakers are user and assistant. The option `speakers` overrides this, and gives roles to unknown names.
- What stands behind the last answer is left out of training and counted. `predict` answers it.
- An error is a conversation without an answer, one without turns, another unknown speaker, a blank turn.
- Tools become text in the form of Qwen and Hermes, so that every template can hold them: the tools stand at the end of
  the system turn, a call is the assistant's `<tool_call>`, a result is the user's `<tool_response>`.
- `train` (or OpenAI's `weight` 0 or 1) says whether one turn is trained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from trivium.base.config import Seq
from trivium.rows.record import Conversation, Record, ended, merge, said
from trivium.rows.turns import turns_of
from trivium.token.role import role_of

SYSTEM_ANSWERS = (
    "the speaker 'system' answers the user in turn: read as the assistant (data.rows.speakers overrides it)"
)


class Dialogue(Record, kind="dialogue"):
    """Turns of a dialogue; the answer is the `response`, else the last turn."""

    also: ClassVar = {"dialogue": ("turns", "utterances", "dialog")}
    turn_fields: ClassVar = ("dialogue",)
    dialogue: Seq[Any]
    response: str | None = None

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        if not self.dialogue:
            raise ValueError("dialogue: expected at least one turn, found none")
        names = [str(turn.get("speaker")) if isinstance(turn, dict) else "" for turn in self.dialogue]
        guess = "system" not in speakers and takes_turns([role_of(name) or name for name in names])
        speakers = {**speakers, "system": "assistant"} if guess else speakers
        turns, guesses = turns_of(self.dialogue, "dialogue", speakers, ("speaker", "text"))
        remarks = (*guesses, *([SYSTEM_ANSWERS] if guess else []))
        if self.response is None:
            return replace(ended(turns, "dialogue"), remarks=remarks)
        return Conversation(merge(turns), (said(self.response, "response"),), remarks=remarks)


class Messages(Record, kind="messages"):
    """OpenAI's messages; the last is the answer."""

    turn_fields: ClassVar = ("messages",)
    messages: Seq[Any]

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        turns, remarks = turns_of(self.messages, "messages", speakers)
        return replace(ended(turns, "messages"), remarks=tuple(remarks))


class ShareGPT(Record, kind="sharegpt"):
    """ShareGPT's conversations; the last turn is the answer."""

    also: ClassVar = {"conversations": ("conversation",)}
    turn_fields: ClassVar = ("conversations",)
    conversations: Seq[Any]

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        turns, remarks = turns_of(self.conversations, "conversations", speakers, ("from", "value"))
        return replace(ended(turns, "conversations"), remarks=tuple(remarks))


def takes_turns(names: Sequence[str]) -> bool:
    """Return whether only user and system speak, in turn, and the user begins: then `system` is the assistant."""
    return len(names) > 1 and all(name == ("user", "system")[i % 2] for i, name in enumerate(names))
