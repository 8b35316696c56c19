"""Rows of a source text and its targets: translations and summaries.

    {"source": "...", "target": "...", "source_lang": "en", "target_lang": "zh"}    target may be a list of right ones,
                                                                                    source a list of sentences
    {"translation": {"en": "...", "zh": "..."}}                                     from the first to the second
    {"document": "...", "summary": "..."}                                           also article, dialogue, highlights

A model of many tasks needs to be told the task of a row, so these rows have a prefix, as in T5 (Raffel et al. 2019,
arXiv:1910.10683): `translate en to zh: `, `summarize: `. A `source` and `target` without languages have none.
The option `prefix` overrides it.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from trivium.base.config import Seq
from trivium.rows.record import Conversation, Record, answers_of, said, single


class Pair(Record, kind="pair"):
    """A source and its right targets."""

    also: ClassVar = {"source": ("src", "source_text", "input_text"), "target": ("tgt", "target_text")}
    answer_field: ClassVar = "target"
    source: str | Seq[str]
    target: str | Seq[str] | None = None
    source_lang: str | None = None
    target_lang: str | None = None

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        known = self.source_lang and self.target_lang
        prefix = f"translate {self.source_lang} to {self.target_lang}: " if known else ""
        return single(_joined(self.source, "source"), answers_of(self.target, "target"), prefix, self.target_lang or "")


class Translation(Record, kind="translation"):
    """One text in two languages, by the name of each language. A language without a text is left out."""

    translation: dict[str, str | None]

    def remarks(self, words: bool) -> tuple[str, ...]:
        empty = [name for name, text in self.translation.items() if text is None]
        return tuple(f"translation.{name} is null: read without this language" for name in empty)

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        found = {name: text for name, text in self.translation.items() if text is not None}
        if len(found) != 2:
            raise ValueError(f"translation: expected two languages, found {', '.join(found) or 'none'}")
        asked, answer = (said(text, f"translation.{name}") for name, text in found.items())
        return single(asked, [answer], f"translate {' to '.join(found)}: ", [*found][1])


class Summary(Record, kind="summary"):
    """A document, which may be a list of sentences, and its summaries."""

    columns: ClassVar = ("document", "summary")
    answer_field: ClassVar = "summary"
    also: ClassVar = {"document": ("article", "text", "dialogue"), "summary": ("summaries", "highlights", "abstract")}
    document: str | Seq[str]
    summary: str | Seq[str] | None = None

    @classmethod
    def keys(cls, names: Iterable[str]) -> dict[str, str]:
        """Return the keys of the fields; a `dialogue` is a document only where it is a text."""
        row = names if isinstance(names, Mapping) else {}
        return super().keys(name for name in names if name != "dialogue" or isinstance(row.get(name, ""), str))

    def chat(self, speakers: Mapping[str, str]) -> Conversation:
        return single(_joined(self.document, "document"), answers_of(self.summary, "summary"), "summarize: ")


def _joined(text: str | Seq[str], key: str) -> str:
    return said(text if isinstance(text, str) else " ".join(text), key)
