"""Drawn lines as rows: the texts they are cut of, rows of a picture and its text, and a folder that holds them.

`lines:hard` in place of a file of rows gives the rows that `trivium lines --level hard` writes.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from trivium.base.config import dump
from trivium.base.errors import TriviumError
from trivium.base.files import fingerprint, publishing, sha256
from trivium.base.log import watched
from trivium.base.plugin import extra
from trivium.corpus.read.sources import read
from trivium.data.shards import Corpus
from trivium.image.lines.face import named
from trivium.image.lines.line import Drawing, Lines, open_lines
from trivium.token.tokenizer import Tokenizer


@lru_cache(maxsize=2)
def texts(sources: tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts of `embedded`, of files, of folders of text, and of data folders."""
    return tuple(_texts(sources))


def _texts(sources: Sequence[str]) -> Iterator[str]:
    for source in sources:
        if (Path(source) / "manifest.json").is_file():
            tokenizer = Tokenizer.load(Path(source) / "tokenizer")
            for split in ("train", "valid"):
                yield from (tokenizer.decode(ids.tolist()) for ids in Corpus(source, split).documents())
        else:
            yield from (document.text for document in read([source]))


def opened(name: str, drawing: Drawing) -> Lines:
    """Return the lines of a name such as `lines:hard`; a DataError says what is wrong with it."""
    return open_lines(name, lambda sources: texts(tuple(sources)), drawing)


def sources(drawing: Drawing) -> list[Any]:
    """Return what lines are drawn of, by content: the drawing, the hash of its texts, those of its named fonts."""
    return [dump(drawing), fingerprint(texts(drawing.text)), [sha256(face.path) for face in named(drawing.fonts)]]


def drawn(name: str, drawing: Drawing, notes: Counter[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, row) for each line of a name; `notes` takes what is not drawn, and in which faces."""
    lines = opened(name, drawing)
    if notes is not None:
        notes.update(lines.remarks)
    for line in lines:
        yield line.name, {"image": line, "text": line.text}


def write_lines(folder: Path, name: str, drawing: Drawing) -> Lines:
    """Write the lines of a name into a folder: `rows.jsonl`, and a PNG file for each; return them.

    The folder appears whole or not at all, in place of an older one.
    """
    image = extra("PIL.Image", "writing pictures (extra image)")
    lines = opened(name, drawing)
    digits = len(str(max(0, len(lines) - 1)))
    with publishing(folder) as made:
        try:
            with open(made / "rows.jsonl", "w", encoding="utf-8", newline="\n") as rows:
                for number, line in enumerate(watched([*lines], "drawing lines", "lines")):
                    file = f"{number:0{digits}}.png"
                    image.fromarray(line.colours()).save(made / file)
                    rows.write(json.dumps({"image": file, "text": line.text}, ensure_ascii=False) + "\n")
        except OSError as failed:
            raise TriviumError(f"{folder}: cannot write: {failed.strerror or failed}; nothing was changed") from failed
    return lines
