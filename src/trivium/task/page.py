"""Read a page of print: find its lines, read each by a model of lines, and say how sure the model is."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from trivium import api
from trivium.base.batch import collate
from trivium.base.errors import ModelError
from trivium.base.log import watched
from trivium.image.lines.page import Box, found_lines
from trivium.image.read import read
from trivium.model.device import evaluating, place
from trivium.objective.caption import CaptionObjective
from trivium.task.kinds.caption import BATCH
from trivium.train.loss.token import TokenLoss

LUMA = (0.299, 0.587, 0.114)
"""The shares of red, green and blue in a level of grey (ITU-R BT.601), as Pillow has them."""


class ReadLine(NamedTuple):
    """A line of a page as it was read."""

    text: str
    box: Box
    """Its place in pixels; of a turned page, after it was straightened."""
    confidence: float
    """The geometric mean of the probabilities of its tokens, its end included: from 0 to 1."""

    def record(self) -> dict[str, Any]:
        """Return the line as plain data."""
        return {"text": self.text, "box": list(self.box), "confidence": round(self.confidence, 4)}


def read_page(model: api.Model, page: str | Path | Any) -> list[ReadLine]:
    """Return the lines of a page (a path or what else `image.read` reads) from top to bottom.

    ModelError where the model does not write of pictures; DataError where the page cannot be read.
    """
    if model.config.pictures is None or model.config.decoder is None:
        raise ModelError(f"{model.name}: expected a model that writes what stands in pictures: recipes/reader.toml")
    grey = (read(page) @ torch.tensor(LUMA).numpy()).round().astype("uint8")
    found, lines = [*found_lines(grey)], []
    for at in watched(range(0, len(found), BATCH), "reading lines", "batches"):
        some = found[at : at + BATCH]
        images = [one.image for one in some]
        texts = model.generate(images=images, max_new_tokens=model.config.context // 2)
        sure = confidences(model, images, texts)
        lines += [ReadLine(text, one.box, odds) for text, one, odds in zip(texts, some, sure, strict=True)]
    return lines


def confidences(model: api.Model, images: Sequence[Any], texts: Sequence[str]) -> list[float]:
    """Return how sure a model is of each text of a picture: exp of the mean log-probability of its tokens."""
    layout, objective = model.layout(), CaptionObjective()
    rows = []
    for picture, text in zip(model.see(images), texts, strict=True):
        before, answer = layout.before(len(picture)), layout.answer(text)
        rows.append([objective.example(picture, before, answer, layout.placeholder is not None)])
    batch = place(collate(rows, model.vocabulary.pad), model.transformer.device)
    with evaluating(model.transformer):
        losses = TokenLoss().over(model.transformer, model.transformer.head, batch).losses.tolist()
    found, start = [], 0
    for [row] in rows:
        count = int((row.targets["token"] >= 0).sum())
        found.append(math.exp(-sum(losses[start : start + count]) / count))
        start += count
    return found
