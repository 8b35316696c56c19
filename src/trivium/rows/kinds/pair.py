"""Rows of a source text and its targets: translations and summaries.

    {"source": "...", "target": "...", "source_lang": "en", "target_lang": "zh"}    target may be a list of right ones,
                                                                                    source a list of sentences
    {"translation": {"en": "...", "zh": "..."}}                                     from the first to the second
    {"document": "...", "summary": "..."}                                           also article, highlights, summaries

A model of many tasks needs to be told the task of a row, so these rows have a prefix, as in T5 (Raffel et al. 2019,
arXiv:1910.10683): `translate en to zh: `, `summarize: `. A `source` and `target` without languages have none.
The option `prefix` overrides it.
"""

from collections.abc import Mapping
from typing import ClassVar

from trivium.base.config import Seq
from trivium.rows.record import Conversation, Record, answers_of, said, single


class Pair(Record, kind="pair"):
    """A source and its right targets."""

    answer_field: ClassVar = "target"
    source: str | Seq[str]
    target: str | Seq[str] | None = None
    source_lang: str | None = None
    target_lang: str | None = None

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        known = self.source_lang and self.target_lang
        prefix = f"translate {self.source_lang} to {self.target_lang}: " if known else ""
        return single(_joined(self.source, "source"), answers_of(self.target, "target"), prefix)


class Translation(Record, kind="translation"):
    """One text in two languages, by the name of each language."""

    translation: dict[str, str]

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        if len(self.translation) != 2:
            raise ValueError(f"translation: expected two languages, found {', '.join(self.translation) or 'none'}")
        source, target = self.translation
        text, answer = (said(self.translation[language], f"translation.{language}") for language in (source, target))
        return single(text, [answer], f"translate {source} to {target}: ")


class Summary(Record, kind="summary"):
    """A document, which may be a list of sentences, and its summaries."""

    columns: ClassVar = ("document", "summary")
    answer_field: ClassVar = "summary"
    also: ClassVar = {"document": ("article",), "summary": ("summaries", "highlights")}
    document: str | Seq[str]
    summary: str | Seq[str] | None = None

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        return single(_joined(self.document, "document"), answers_of(self.summary, "summary"), "summarize: ")


def _joined(text: str | Seq[str], key: str) -> str:
    return said(text if isinstance(text, str) else " ".join(text), key)
