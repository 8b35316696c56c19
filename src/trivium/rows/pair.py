"""Formats of tasks that are text to text: translation, summaries, labels.

    {"source": "...", "target": "...", "source_lang": "en", "target_lang": "zh"}    target may be a list of right ones,
                                                                                    source a list of sentences
    {"translation": {"en": "...", "zh": "..."}}                                     from the first to the second
    {"document": "...", "summary": "..."}                                           also article, highlights, summaries
    {"text": "...", "label": "..."}, {"text": "...", "text_pair": "...", "label": "..."}    labels may be a list

A model that reads many tasks must be told which one a row is of, so these have a prefix of their own, in T5's manner
(Raffel et al. 2019, arXiv:1910.10683): `translate en to zh: `, `summarize: `, `classify: `. A `source` and `target`
without languages have none. The option `prefix` says otherwise.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from trivium.base.config import Seq
from trivium.rows.row import Conversation, Row, said, several, single


class Pair(Row, kind="pair"):
    """A source and its right targets."""

    blank: ClassVar[Mapping[str, Any]] = {"target": "?"}
    source: str | Seq[str]
    target: str | Seq[str]
    source_lang: str | None = None
    target_lang: str | None = None

    @property
    def prefix(self) -> str:
        known = self.source_lang and self.target_lang
        return f"translate {self.source_lang} to {self.target_lang}: " if known else ""

    def conversation(self, speakers: Mapping[str, str]) -> Conversation:
        return single(_joined(self.source, "source"), several(self.target, "target"))


class Translation(Row, kind="translation"):
    """One text in two languages, by the names of the languages."""

    translation: dict[str, str]

    @property
    def prefix(self) -> str:
        source, target = self._languages()
        return f"translate {source} to {target}: "

    def _languages(self) -> tuple[str, str]:
        if len(self.translation) != 2:
            raise ValueError(f"translation: expected two languages, found {', '.join(self.translation) or 'none'}")
        source, target = self.translation
        return source, target

    def conversation(self, speakers: Mapping[str, str]) -> Conversation:
        source, target = self._languages()
        asked = said(self.translation[source], f"translation.{source}")
        return single(asked, [said(self.translation[target], f"translation.{target}")])


class Summary(Row, kind="summary"):
    """A document, which may come in sentences, and its summaries."""

    columns: ClassVar[tuple[str, str]] = ("document", "summary")
    blank: ClassVar[Mapping[str, Any]] = {"summary": "?"}
    also: ClassVar[Mapping[str, tuple[str, ...]]] = {"document": ("article",), "summary": ("summaries", "highlights")}
    document: str | Seq[str]
    summary: str | Seq[str]

    @property
    def prefix(self) -> str:
        return "summarize: "

    def conversation(self, speakers: Mapping[str, str]) -> Conversation:
        return single(_joined(self.document, "document"), several(self.summary, "summary"))


class Label(Row, kind="label"):
    """A text, or two, and what it is to be called."""

    columns: ClassVar[tuple[str, str]] = ("text", "label")
    blank: ClassVar[Mapping[str, Any]] = {"label": "?"}
    also: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("sentence", "sentence1", "premise", "question1"),
        "text_pair": ("sentence2", "hypothesis", "question2"),
        "label": ("labels",),
    }
    text: str
    text_pair: str = ""
    label: str | int | Seq[str | int]

    @property
    def prefix(self) -> str:
        return "classify: "

    def conversation(self, speakers: Mapping[str, str]) -> Conversation:
        labels = (self.label,) if isinstance(self.label, str | int) else self.label
        texts = [said(self.text, "text"), *([self.text_pair] if self.text_pair.strip() else [])]
        return single("\n\n".join(texts), [said(", ".join(map(str, labels)), "label")])


def _joined(text: str | Seq[str], key: str) -> str:
    return said(text if isinstance(text, str) else " ".join(text), key)
