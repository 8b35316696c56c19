"""Rows of one prompt and its answers: questions, instructions, prompts with completions.

    {"question": "...", "context": "...", "answer": "..."}                       context may be "" or missing
    {"instruction": "...", "input": "...", "outputs": ["...", ...]}              input may be "" or missing
    {"instruction": "...", "input": "...", "output": "..."}                      Alpaca: one answer, or a list
    {"instruction": "...", "context": "...", "response": "..."}                  Dolly: the same by other names
    {"prompt": "...", "completion": "..."}                                       texts, or both lists of messages

A blank line separates a context from its question, and an instruction from its input; an empty one adds nothing. A
blank text is an error where some text is required, and so are `outputs` that are not a list or are empty. Equal outputs
count once.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from trivium.base.config import Seq
from trivium.base.types import Message
from trivium.rows.record import Conversation, Record, answers_of, ended, said, single
from trivium.rows.turns import turns_of


class Question(Record, kind="question"):
    """One question about a context, one answer."""

    also: ClassVar = {"question": ("query",), "answer": ("answers", "response", "output")}
    columns: ClassVar = ("question", "answer")
    wide: ClassVar = ("question", "context", "answer")
    answer_field: ClassVar = "answer"
    question: str
    context: str = ""
    answer: str | Seq[str] | None = None

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        return single(about(self.context, self.question), answers_of(self.answer, "answer"))


class Instruction(Record, kind="instruction"):
    """An instruction, its input, and one or more right outputs."""

    columns: ClassVar = ("instruction", "outputs")
    answer_field: ClassVar = "outputs"
    instruction: str
    input: str = ""
    outputs: Seq[str] | None = None

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        return single(_applied(self.instruction, self.input), answers_of(self.outputs, "outputs"))


class Alpaca(Record, kind="alpaca"):
    """An instruction, its input and its output."""

    also: ClassVar = {"input": ("context",), "output": ("response", "answer")}
    columns: ClassVar = ("instruction", "output")
    wide: ClassVar = ("instruction", "input", "output")
    answer_field: ClassVar = "output"
    instruction: str
    input: str = ""
    output: str | Seq[str] | None = None

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        return single(_applied(self.instruction, self.input), answers_of(self.output, "output"))


class PromptCompletion(Record, kind="completion"):
    """A prompt and its completion: texts, or lists of messages whose last is the answer."""

    also: ClassVar = {"prompt": ("input",), "completion": ("response", "output")}
    columns: ClassVar = ("prompt", "completion")
    turn_fields: ClassVar = ("prompt", "completion")
    answer_field: ClassVar = "completion"
    prompt: str | Seq[dict[str, Any]]
    completion: str | Seq[str] | Seq[dict[str, Any]] | None = None

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        given = self.completion
        if isinstance(self.prompt, str):
            if isinstance(given, tuple) and not all(isinstance(one, str) for one in given):
                raise ValueError("completion: expected a text, as the prompt is one")
            return single(said(self.prompt, "prompt"), answers_of(given, "completion"))  # type: ignore[arg-type]
        turns, remarks = turns_of(self.prompt, "prompt", speakers)
        if isinstance(given, str):
            turns.append(Message("assistant", said(given, "completion")))
        elif given is not None:
            if not all(isinstance(one, dict) for one in given):
                raise ValueError("completion: expected messages, as the prompt has them")
            # Only the completion is trained, not what the prompt repeats of the assistant.
            turns = [replace(turn, train=False) if turn.train is None else turn for turn in turns]
            turns += turns_of(given, "completion", speakers)[0]
        return replace(ended(turns, "prompt"), remarks=tuple(remarks))


def about(context: str, question: str) -> str:
    """Return a question behind its context."""
    asked = said(question, "question")
    return f"{context}\n\n{asked}" if context.strip() else asked


def _applied(instruction: str, given: str) -> str:
    asked = said(instruction, "instruction")
    return f"{asked}\n\n{given}" if given.strip() else asked
