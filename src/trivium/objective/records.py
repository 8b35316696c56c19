"""Tasks with a head of their own: what is learned is told by the rows, so there is little left to choose."""

from typing import ClassVar, Literal

from pydantic import Field

from trivium.base.config import Seq
from trivium.objective.objective import Objective


class TaskObjective(Objective):
    """A task whose rows are records, for models of every family."""

    reads: ClassVar[Literal["documents", "conversations", "records"]] = "records"

    @property
    def families(self) -> tuple[str, ...]:
        return ("encoder", "decoder", "encoder_decoder")


class LabelObjective(TaskObjective, kind="label"):
    """What a text is called: one label of several, or, where a row has a list of them, any number."""

    loss: ClassVar[str] = "label"
    labels: Seq[str] = ()
    """The labels in order; none are those of the rows, in alphabetical order (numbers by size)."""


class TagObjective(TaskObjective, kind="tag"):
    """What each word is called; its first token carries the tag."""

    loss: ClassVar[str] = "tag"
    labels: Seq[str] = ()

    @property
    def families(self) -> tuple[str, ...]:
        return ("encoder", "decoder")


class SpanObjective(TaskObjective, kind="span"):
    """Where in its context a question is answered (Devlin et al. 2018, section 4.2); the first token says nowhere.

    A context that is too long is read in windows, each beginning `stride` tokens after the one before.
    """

    loss: ClassVar[str] = "span"
    stride: int = Field(128, gt=0)
    longest: int = Field(30, gt=0)
    """Tokens of an answer at most."""
    unanswerable: bool = False
    """Whether a question may have no answer in its context (SQuAD v2)."""

    @property
    def families(self) -> tuple[str, ...]:
        return ("encoder", "encoder_decoder")


class ContrastObjective(TaskObjective, kind="contrast"):
    """Which texts belong together, by vectors of them; `loss.temperature` scales their similarity."""

    loss: ClassVar[str] = "contrast"
    pool: Literal["mean", "first", "last"] | None = None
    """The state that becomes the vector; None is the mean of an encoder's, the last of a decoder's."""

    @property
    def families(self) -> tuple[str, ...]:
        return ("encoder", "decoder")


class PreferObjective(TaskObjective, kind="prefer"):
    """Which of two answers is better (DPO): `loss.beta` scales how far from the model it began as it may go."""

    loss: ClassVar[str] = "prefer"

    @property
    def families(self) -> tuple[str, ...]:
        return ("decoder",)
