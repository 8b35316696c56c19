"""The objectives of tasks whose rows are records; the rows themselves say what is learned."""

from typing import ClassVar, Literal

from pydantic import Field

from trivium.base.config import Seq, Tiled
from trivium.base.types import Pooling
from trivium.objective.objective import Objective


class TaskObjective(Objective):
    """A task whose rows are records."""

    reads: ClassVar = "records"
    families: ClassVar[tuple[str, ...]] = ("encoder", "decoder", "encoder_decoder")


class LabelObjective(TaskObjective, kind="label"):
    """Label a text or a picture: with one label of several, or with any number of them where rows have lists."""

    loss: ClassVar = "label"
    pictures: ClassVar = None
    labels: Seq[str] = ()
    """The labels in order; by default those of the rows, sorted by name (numbers by size)."""


class RelevanceObjective(TaskObjective, kind="relevance"):
    """Score a passage for a query (Nogueira and Cho 2019, arXiv:1901.04085), by binary cross-entropy."""

    loss: ClassVar = "label"
    problem_type: Literal["regression"] | None = None
    """Regression learns any number, by the squared error; None learns scores from 0 to 1, or what the head is for."""


class TagObjective(TaskObjective, kind="tag"):
    """Label each word, at its first token."""

    loss: ClassVar = "tag"
    families: ClassVar = ("encoder", "decoder")
    labels: Seq[str] = ()
    """The labels in order; by default those of the rows."""


class SpanObjective(TaskObjective, kind="span"):
    """Find the answer to a question in its context (Devlin et al. 2018, section 4.2); the first token means none.

    A context that is too long is read in windows; each begins `stride` tokens after the one before.
    """

    loss: ClassVar = "span"
    families: ClassVar = ("encoder", "encoder_decoder")
    stride: int = Field(128, gt=0)
    """Tokens between the begins of two windows."""
    longest: int = Field(30, gt=0)
    """The most tokens of an answer."""
    unanswerable: bool = False
    """Whether a question may have no answer in its context (SQuAD v2)."""


class ContrastObjective(TaskObjective, kind="contrast"):
    """Give near vectors to texts that belong together; `loss.temperature` divides their similarity."""

    loss: ClassVar = "contrast"
    families: ClassVar = ("encoder", "decoder")
    pool: Tiled[Pooling] | None = None
    """The states that become the vector; None is the folder's, else an encoder's mean or a decoder's last."""


class PreferObjective(TaskObjective, kind="prefer"):
    """Prefer the better of two answers (DPO); `loss.beta` keeps the model near the one that it began as."""

    loss: ClassVar = "prefer"
    families: ClassVar = ("decoder",)
