"""Rows of a picture and what is said of it.

    {"image": "a.png", "text": "..."}                            text may be a list of right ones; also caption, answer
    {"image": "a.png", "question": "...", "answer": "..."}
    {"image": "a.png", "label": "..."}
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a.png"}},
        {"type": "text", "text": "..."}]}, {"role": "assistant", "content": "..."}]}

A path is relative to the file of the rows and never leads out of its folder. No address is fetched: a picture may stand
in the row itself, as `data:image/...;base64,...` or as `{"bytes": ...}`. Pictures are read when their row is.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from trivium.base.config import Seq
from trivium.base.types import Example
from trivium.data.rows import LateExample
from trivium.image.read import PictureFile, beside, unpacked
from trivium.rows.kinds.text import Labelled
from trivium.rows.record import MEANINGFUL, Record, answers_of
from trivium.token.layout import Layout

IMAGE = ("picture", "image_path", "image_file", "file_name", "img")
PARTS = ("image_url", "input_image", "image")
"""The types of the parts of a message that are pictures."""
BENT = "resized: the picture has another ratio of height and width than the model reads"


class Pictured(Record):
    """A row with a picture: a path, `data:` with base64, or a table with `bytes` or `path`."""

    meaningful: ClassVar = MEANINGFUL - {"image"}
    image: Any

    def beside(self, folder: Path, where: str) -> Self:
        """Return the row with its picture as a file in `folder`, or as the bytes in the row."""
        return self.replace(image=located(self.image, folder, where))

    def late(self, layout: Layout, counts: Counter[str], texts: int, make: Any) -> LateExample:
        """Return the example that make(patches) makes when the picture is read; its text has `texts` tokens."""
        reader, image = layout.picture, self.image
        size = image.size()
        if reader.processor.bends(*size):
            counts[BENT] += 1
        length = max(reader.processor.length(*size), texts)
        return LateExample(length, lambda rng: make(reader(image, rng)), image.where, image.file)


class PictureText(Pictured, kind="picture"):
    """A picture, a question about it or none, and its right texts."""

    columns: ClassVar = ("image", "text")
    wide: ClassVar = ("image", "question", "text")
    answer_field: ClassVar = "text"
    also: ClassVar = {
        "image": IMAGE,
        "question": ("prompt", "query", "instruction"),
        "text": ("answer", "answers", "caption", "captions", "transcription", "response", "output", "target"),
    }
    question: str = ""
    text: str | Seq[str] | None = None

    @classmethod
    def flat(cls, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a row of messages as a row of one picture, one question and one answer."""
        return row if "messages" not in row or cls.keys(row).keys() >= {"image"} else _flat(row)

    @property
    def texts(self) -> list[str]:
        """The right texts, none where the row only asks."""
        return answers_of(self.text, "text")

    def examples(self, layout: Layout, head: Any, objective: Any, counts: Counter[str]) -> list[Any]:
        """Return one late example for each right text; one that is too long is left out and counted, never cut."""
        found = []
        if not self.texts:
            raise ValueError("text: expected one to learn, found none")
        for text in self.texts:
            patches = layout.picture.processor.length(*self.image.size())
            before, answer = layout.before(patches, self.question), layout.answer(text)
            if (size := len(before) + len(answer) - 1) > layout.length:
                counts[f"text and its question longer than {layout.length} tokens"] += 1
                continue
            found.append(
                self.late(layout, counts, size, _caption(objective, before, answer, layout.placeholder is not None))
            )
        return found


class LabelledPicture(Pictured, Labelled, kind="picture_label"):
    """A picture and its label or list of labels."""

    columns: ClassVar = ("image", "label")
    answer_field: ClassVar = "label"
    also: ClassVar = {"image": IMAGE, "label": Labelled.names}

    def examples(self, layout: Layout, head: Any, objective: Any, counts: Counter[str]) -> list[Any]:
        targets = {"label": self.target(head.labels, head.multi_label)}
        return [self.late(layout, counts, 0, lambda seen: Example(seen.values, None, targets, places=seen.places))]


def _caption(objective: Any, before: Sequence[int], answer: Sequence[int], inside: bool) -> Any:
    return lambda seen: objective.example(seen, before, answer, inside)


def located(image: Any, folder: Path, where: str) -> Any:
    """Return what a row says of its picture as something that can be read; a ValueError says why it cannot."""
    if hasattr(image, "colours"):  # drawn, or found before
        return image
    if isinstance(image, Mapping):
        given = {key: value for key, value in image.items() if value is not None}
        if isinstance(given.get("bytes"), bytes):
            return PictureFile(given["bytes"], f"{where}: image")
        image = given.get("path", given.get("url"))
    if not isinstance(image, str) or not image.strip():
        raise ValueError(f"image: expected a path, found {image!r:.60}")
    try:
        if image[:5].lower() == "data:":
            return PictureFile(unpacked(image), f"{where}: image")
        path = beside(folder, image)
        return PictureFile(path, where if where == str(path) else f"{where}: image {image}", image)
    except ValueError as wrong:
        raise ValueError(f"image: {wrong}") from None


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    turns = row["messages"]
    if not isinstance(turns, list | tuple) or not all(isinstance(turn, Mapping) for turn in turns):
        raise ValueError("messages: expected a list of turns with role and content")
    roles = [turn.get("role") for turn in turns]
    if roles not in (["user"], ["user", "assistant"]):
        found = ", ".join(map(str, roles)) or "none"
        raise ValueError(f"messages: expected a turn of the user and the assistant's answer, found {found}")
    spare = [*row["images"]] if isinstance(row.get("images"), list | tuple) else []
    pictures, texts = parts_of(turns[0].get("content"), "messages[0].content", spare)
    if len(pictures) != 1:
        raise ValueError(f"messages[0].content: expected one picture, found {len(pictures)}")
    made = {"image": pictures[0], "question": texts}
    if len(turns) == 2:
        more, made["text"] = parts_of(turns[1].get("content"), "messages[1].content", [])
        if more:
            raise ValueError("messages[1].content: expected a text, found a picture")
    return {**{key: value for key, value in row.items() if key not in ("messages", "images")}, **made}


def parts_of(content: Any, key: str, spare: Sequence[Any] = ()) -> tuple[list[Any], str]:
    """Return the pictures and the text of the content of a message, in OpenAI's form.

    `spare` are the pictures of parts that name none. A part of another kind is a ValueError.
    """
    if isinstance(content, str):
        return [], content
    if not isinstance(content, list | tuple):
        raise ValueError(f"{key}: expected a text or a list of parts, found {content!r:.60}")
    pictures: list[Any] = []
    texts: list[str] = []
    more = iter(spare)
    for i, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind in PARTS:
            given = next((part[name] for name in ("image_url", "image", "url", "path") if part.get(name)), None)
            given = given.get("url") if isinstance(given, Mapping) and "url" in given else given
            pictures.append(next(more, None) if given is None else given)
        elif kind in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            raise ValueError(f"{key}[{i}]: expected a part of type text or image_url, found {str(part)!r:.60}")
    return pictures, "".join(texts)
