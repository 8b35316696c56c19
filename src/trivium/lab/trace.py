"""Trace: which parts of a text stand verbatim in the data that a model was trained on, and where.

A tokenizer cuts a text by what stands around it, so the first and the last token of a run may be missed.
"""

import html
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trivium.base.errors import DataError
from trivium.base.files import fingerprint, read_json
from trivium.base.folder import model_folder
from trivium.base.log import result, say
from trivium.data.shards import Corpus
from trivium.data.suffix import Suffixes, covered
from trivium.lab import page
from trivium.token.tokenizer import Tokenizer

LEAST = 8
"""The least tokens of a run: shorter ones stand in any text."""
PLACES = 3
SHOWN = 20
"""The most runs and the most characters at each end of a run that are shown in lines."""
STYLE = "<style>mark { background: var(--good); color: var(--good-ink) } .text { white-space: pre-wrap }</style>"


class Verbatim(NamedTuple):
    """A part of a text that stands in the data word for word."""

    start: int
    """Its first token in the text."""
    tokens: int
    text: str
    times: int
    """How often it stands in the data."""
    places: list[str]
    """Some of its places: the source, the document, and its first token there."""

    def line(self) -> str:
        """Return it as a line."""
        said = self.text if len(self.text) <= 2 * SHOWN + 5 else f"{self.text[:SHOWN]} ... {self.text[-SHOWN:]}"
        return f"{self.tokens} tokens, {_times(self.times)}: {said!r}; {'; '.join(self.places)}"


class Tracer:
    """The indexed data of a model, ready for texts."""

    def __init__(self, model: str | Path, data: Sequence[str | Path] = (), least: int = LEAST) -> None:
        """Open the indexes of the data folders `data`, by default of those that trivium.json names.

        `least` is the least tokens of a part. Raise DataError where the data or an index cannot be found.
        """
        self.least = least
        self.indexes = [Suffixes(Corpus(folder, "train")) for folder in data or trained_on(model)]
        identities = {index.corpus.manifest["tokenizer"] for index in self.indexes}
        if len(identities) > 1:
            raise DataError(f"{', '.join(map(str, data))}: expected data of one tokenizer, found {len(identities)}")
        self.tokenizer = Tokenizer.load(self.indexes[0].corpus.folder / "tokenizer")

    def find(self, text: str) -> tuple[list[Verbatim], list[tuple[str, bool]]]:
        """Return the verbatim parts of a text, longest first, and the text in pieces, each with whether it is one."""
        ids = self.tokenizer.encode(text)
        by_index = [(index, index.runs(ids, self.least, PLACES)) for index in self.indexes]
        found = [
            Verbatim(
                run.start,
                run.length,
                self.tokenizer.decode(ids[run.start : run.start + run.length]),
                run.times,
                [self._place(index.corpus, *place) for place in run.places],
            )
            for index, runs in by_index
            for run in runs
        ]
        every = sorted((run for _, runs in by_index for run in runs), key=lambda run: run.start)
        pieces, at = [], 0
        for start, end in covered(every):
            pieces += [(ids[at:start], False), (ids[start:end], True)]
            at = end
        pieces.append((ids[at:], False))
        shown = [(self.tokenizer.decode(part), verbatim) for part, verbatim in pieces if part]
        return sorted(found, key=lambda one: -one.tokens), shown

    def _place(self, corpus: Corpus, document: int, token: int) -> str:
        source, name = corpus.address(document)
        folder = f"{corpus.folder}: " if len(self.indexes) > 1 else ""
        return f"{folder}{source}, document {name}, token {token:,}"

    def lines(self, text: str) -> Iterator[str]:
        """Yield the share of a text that stands in the data, and its longest parts there."""
        found, pieces = self.find(text)
        yield share(pieces, self.least)
        yield from (one.line() for one in found[:SHOWN])
        if len(found) > SHOWN:
            yield f"... and {len(found) - SHOWN} shorter ones"


def trained_on(model: str | Path) -> list[Path]:
    """Return the data folders that a model, or the model that it was tuned from, was pretrained on.

    DataError where trivium.json does not say it, or a folder is not there or holds other data now.
    """
    at, known = model_folder(model), []
    while True:
        path = at / "trivium.json"
        record: dict[str, Any] = read_json(path) if path.is_file() else {}
        recipe = record.get("recipe") or {}
        folders = [Path(one) for one in recipe.get("data", {}).get("path", ())]
        if folders and all((one / "manifest.json").is_file() for one in folders):
            break
        known.append(at)
        init = recipe.get("init")
        if init is None or not Path(init).is_dir() or (at := model_folder(init)) in known:
            where = f", expected {', '.join(map(str, folders))}" if folders else ""
            raise DataError(f"{path}: the data folders of this model are not there{where}; name them by --data FOLDER")
    identities = [read_json(one / "manifest.json").get("dataset_id") for one in folders]
    weights = recipe["data"].get("weights", [])
    found = identities[0] if len(identities) == 1 else fingerprint([identities, weights])
    if found != record.get("data"):
        raise DataError(
            f"{', '.join(map(str, folders))}: expected the data that {at} was trained on, found other data; "
            "--data takes them as they are"
        )
    return folders


def tell(tracer: Tracer, text: str, out: Path | None = None) -> None:
    """Print what of a text stands in the data, or write it as a page where there is a place for it."""
    for line in tracer.lines(text):
        result(line)
    if out is not None:
        write(tracer, text, out)
        say(f"the page is {out}")


def write(tracer: Tracer, text: str, out: Path) -> None:
    """Write the page: the text with its verbatim parts marked, and a table of their places."""
    found, pieces = tracer.find(text)
    marked = "".join(
        f"<mark>{html.escape(part)}</mark>" if verbatim else html.escape(part) for part, verbatim in pieces
    )
    rows = [(one.text, str(one.tokens), f"{one.times:,}", "; ".join(one.places)) for one in found]
    parts = [STYLE, page.paragraph(share(pieces, tracer.least)), f'<p class="text">{marked}</p>']
    if rows:
        parts += [page.heading("Where it stands"), page.table(("text", "tokens", "times", "places"), rows)]
    page.write(out, "What stands in the training data", parts)


def share(pieces: Sequence[tuple[str, bool]], least: int) -> str:
    """Return the share of the characters of a text that are in verbatim parts, as a line."""
    whole, inside = sum(len(part) for part, _ in pieces), sum(len(part) for part, verbatim in pieces if verbatim)
    part = f"{inside:,} of {whole:,} characters ({inside / max(1, whole):.0%})"
    return f"{part} are in runs of {least} or more tokens that stand in the data"


def _times(count: int) -> str:
    """Return how often something is there."""
    return "once" if count == 1 else f"{count:,} times"
