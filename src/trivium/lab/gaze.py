"""Where a model looks in a picture while it writes: the weights of its attention, over all layers and heads.

A decoder with cross-attention looks at the encoder's states; another looks at the places of the picture in its own
stream. What a class token takes is no place in the picture, and is told beside it.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from trivium import api
from trivium.base.batch import Batch
from trivium.base.errors import ConfigError
from trivium.base.log import result, say
from trivium.infer.generate import generate
from trivium.infer.padding import agree, sources_padded, tabled
from trivium.infer.read import asked
from trivium.lab import attention, page
from trivium.lab.piece import visible
from trivium.model.attention.using import using
from trivium.model.device import evaluating

MOST = 64
"""The most tokens that are written."""
STYLE = """<style>
.looks { display: grid; gap: .5rem 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 9rem), 1fr)) }
.looks.wide { grid-template-columns: minmax(0, 1fr) } .looks figure { margin: .2rem 0 }
.looks .photo { width: 100% !important; max-width: 40rem }
.looks figcaption { font-size: 1rem; color: var(--ink) }
</style>"""


class Look(NamedTuple):
    """One written token, and the weight of each patch of the picture when it was chosen."""

    token: str
    weight: np.ndarray
    """[rows, columns]; the sum is the share that the picture's places have."""
    aside: float
    """The share of the class token, and of all that is no part of the picture."""

    @property
    def place(self) -> tuple[int, int, float]:
        """The row and the column with most weight, counted from 1, and its share."""
        row, column = divmod(int(self.weight.argmax()), self.weight.shape[1])
        return row + 1, column + 1, float(self.weight[row, column])


class Gaze(NamedTuple):
    """A picture as the model saw it, and its looks."""

    levels: np.ndarray
    """uint8 [H, W, C]."""
    looks: list[Look]
    text: str


def gaze(model: api.Model, image: Any, question: str = "") -> Gaze:
    """Return what a model writes of a picture, and where it looks. ModelError: it reads no pictures, or writes none."""
    agree(model.config, model.name, True)
    (patches,) = model.see([image])
    (before,) = asked(model.layout(), [patches], question)
    request = model.request([before], MOST, pictures=[patches])
    (written,) = generate(model.transformer, request)
    ids, first = [*before, *written.ids[:-1]], len(before) - 1  # the last token is not read
    device = model.transformer.device
    batch = Batch(sources_padded([patches], device), tabled([ids], None, None, model.transformer), {})
    recorders: dict[str, attention.Recorder] = defaultdict(attention.Recorder)
    with using(model.transformer, recorders.__getitem__), evaluating(model.transformer):
        model.transformer(batch)
    placeholder = model.config.placeholder
    part, columns = ("cross", slice(None)) if placeholder is None else ("attention", np.array(ids) == placeholder)
    kept = [one.seen[0][0][0] for name, one in recorders.items() if name.startswith("decoder.") and _is(name, part)]
    weight = torch.stack([one.mean(dim=0) for one in kept]).mean(dim=0).numpy()[:, columns]  # T S
    start = int(model.processor.class_token)
    rows, wide = patches.places.max(axis=0) + 1
    looks = []
    for at, index in enumerate(written.ids):
        here = weight[first + at]
        shares = here[start:].reshape(rows, wide)
        looks.append(Look(visible(model.tokenizer, index), shares, 1 - float(shares.sum())))
    text = model.tokenizer.decode(written.ids, skip_special=True)
    return Gaze(model.processor.levels(patches.values, patches.places), looks, text)


def _is(name: str, part: str) -> bool:
    """Return whether a sublayer's attention is to the encoder (`cross`), or to its own stream."""
    return name.endswith("cross") == (part == "cross")


def tell(model: str | Path, image: Path, question: str = "", out: Path | None = None) -> None:
    """Print what a model folder writes of a picture and where it looks; write the page if there is a place for it."""
    found = gaze(api.load(model), image, question)
    for line in lines(found):
        result(line)
    if out is not None:
        write(found, f"{Path(image).name}, read by {Path(model).name}", question, out)
        say(f"the page is {out}")


def show(model: Path, text: str | None, image: Path | None, question: str, out: Path | None) -> None:
    """Show attention to a text, or to a picture: one of the two."""
    if text is not None and image is not None:
        raise ConfigError("--attention: shows a text, and --image a picture; leave one of them out")
    if image is not None:
        tell(model, image, question, out)
    elif text is not None:
        attention.tell(model, text, out)


def lines(found: Gaze) -> Iterator[str]:
    """Yield the text, and for each token the patch with most weight."""
    yield f"text: {found.text!r}"
    for look in found.looks:
        row, column, share = look.place
        yield f"{look.token:<20} most at row {row}, column {column}: {share:.1%}; {look.aside:.1%} beside the picture"


def write(found: Gaze, title: str, question: str, out: Path) -> None:
    """Write the page: the picture, and for each token the picture with the weights over it."""
    rows, columns = found.looks[0].weight.shape if found.looks else (0, 0)
    height, width = found.levels.shape[:2]
    facts = [("text", found.text), ("as the model sees it", f"{width} x {height} pixels, {rows} x {columns} patches")]
    facts += [("question", question)] if question else []
    about = (
        "The weight of attention on each patch when the token was chosen, the mean of all layers and heads. Each "
        "picture has its own scale: the patch with most weight is darkest. Behind a token stands the share of it."
    )
    parts = [STYLE, page.facts(facts), page.photo(found.levels, "the picture"), page.heading("Token by token")]
    drawn = [page.photo(found.levels, f"{look.token}  {look.place[2]:.0%}", shade(look.weight)) for look in found.looks]
    wide = " wide" if width > 3 * height else ""
    parts += [page.paragraph(about), f'<div class="looks{wide}">{"".join(drawn)}</div>']
    page.write(out, title, parts)


def shade(weight: np.ndarray) -> np.ndarray:
    """Return weights [rows, columns] as red that hides more where there is more of it, uint8 [rows, columns, 4]."""
    share = weight / max(float(weight.max()), 1e-12)
    red = np.zeros((*weight.shape, 4), dtype=np.uint8)
    red[..., 0], red[..., 2], red[..., 3] = 225, 40, np.rint(share * 190)
    return red
