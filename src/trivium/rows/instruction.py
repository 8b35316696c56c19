"""Formats of one thing asked and its answers: questions, instructions, prompts with their completions.

    {"question": "...", "context": "...", "answer": "..."}                       context may be "" or missing
    {"question": "...", "context": "...", "answers": {"text": ["..."], ...}}     SQuAD, one question a row
    {"instruction": "...", "input": "...", "outputs": ["...", ...]}              input may be "" or missing
    {"instruction": "...", "input": "...", "output": "..."}                      Alpaca: one answer; also a list
    {"prompt": "...", "completion": "..."}                                       texts, or both lists of messages

A context or an input stands before or after what is asked, a blank line between: `context + question`,
`instruction + input`. An empty one leaves nothing behind. A text that must be there and is blank is an error, and so
are `outputs` that are no list or an empty one. Outputs that are equal count once. A SQuAD question without any answer
is answered `unanswerable`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import ConfigDict

from trivium.base.config import Config, Seq
from trivium.rows.dialogue import Messages, Said
from trivium.rows.row import Conversation, Row, said, several, single

UNANSWERABLE = "unanswerable"


class Question(Row, kind="question"):
    """One question about a context, one answer."""

    columns: ClassVar[tuple[str, str]] = ("question", "answer")
    blank: ClassVar[Mapping[str, Any]] = {"answer": "?"}
    question: str
    context: str = ""
    answer: str

    def conversation(self, speakers: Mapping[str, str]) -> Conversation:
        return single(_about(self.context, self.question), [said(self.answer, "answer")])


class Answers(Config):
    """SQuAD's answers: their texts, and where they begin in the context, which is no concern of a text."""

    model_config = ConfigDict(extra="ignore")
    text: Seq[str]


class Squad(Row, kind="squad"):
    """One question about a context, and the spans of it that answer it."""

    blank: ClassVar[Mapping[str, Any]] = {"answers": {"text": []}}
    question: str
    context: str
    answers: Answers

    @property
    def prefix(self) -> str:
        return "answer from the text: "

    def conversation(self, speakers: Mapping[str, str]) -> Conversation:
        answers = several(self.answers.text, "answers.text") if self.answers.text else [UNANSWERABLE]
        return single(_about(self.context, self.question), answers)


class Instruction(Row, kind="instruction"):
    """An instruction, what it is to be applied to, and one or several right outputs."""

    blank: ClassVar[Mapping[str, Any]] = {"outputs": ["?"]}
    instruction: str
    input: str = ""
    outputs: Seq[str]

    def conversation(self, speakers: Mapping[str, str]) -> Conversation:
        return single(_applied(self.instruction, self.input), several(self.outputs, "outputs"))


class Alpaca(Row, kind="alpaca"):
    """An instruction, what it is to be applied to, and its output."""

    blank: ClassVar[Mapping[str, Any]] = {"output": "?"}
    instruction: str
    input: str = ""
    output: str | Seq[str]

    def conversation(self, speakers: Mapping[str, str]) -> Conversation:
        return single(_applied(self.instruction, self.input), several(self.output, "output"))


class Completion(Row, kind="completion"):
    """A prompt and what is to follow: texts, or lists of messages of which the last is the answer."""

    blank: ClassVar[Mapping[str, Any]] = {"completion": "?"}
    also: ClassVar[Mapping[str, tuple[str, ...]]] = {"completion": ("response",)}
    prompt: str | Seq[dict[str, Any]]
    completion: str | Seq[str] | Seq[dict[str, Any]]

    def conversation(self, speakers: Mapping[str, str]) -> Conversation:
        if isinstance(self.prompt, str):
            if not isinstance(self.completion, str) and not all(isinstance(one, str) for one in self.completion):
                raise ValueError("completion: expected a text, as the prompt is one")
            return single(said(self.prompt, "prompt"), several(self.completion, "completion"))  # type: ignore[arg-type]
        turns = [Said.model_validate(turn) for turn in self.prompt]
        if isinstance(self.completion, str):
            turns.append(Said(role="assistant", content=self.completion))
        elif not all(isinstance(one, dict) for one in self.completion):
            raise ValueError("completion: expected messages, as the prompt has them")
        else:
            # What the prompt repeats of the assistant is context; the completion alone is trained.
            turns = [turn.replace(train=False) if turn.train is None else turn for turn in turns]
            turns += [Said.model_validate(turn) for turn in self.completion]
        return Messages(messages=tuple(turns)).conversation(speakers)


def _about(context: str, question: str) -> str:
    asked = said(question, "question")
    return f"{context}\n\n{asked}" if context.strip() else asked


def _applied(instruction: str, given: str) -> str:
    asked = said(instruction, "instruction")
    return f"{asked}\n\n{given}" if given.strip() else asked
