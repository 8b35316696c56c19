"""Pictures into an encoder: patches of one picture in three sizes, and a small ViT with and without positions."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trivium import api
from trivium.base.batch import Batch, collate
from trivium.base.seeds import generator
from trivium.base.types import Example
from trivium.image.processor import ImageProcessor
from trivium.model.config import configure
from trivium.model.device import evaluating, place
from trivium.model.layer.embed import PatchEmbed
from trivium.model.layer.position import Learned
from trivium.model.size import parameters
from trivium.study.course.lesson import Lesson, Numbers
from trivium.train.loss.label import LabelLoss

SIDE = 32
SIZES = (4, 8, 16)
"""The patches that are drawn."""
WIDTH = 24
COLOURS, SQUARE = ((205, 60, 40), (40, 90, 200)), 7
LABELS = ("left", "right")
STEPS, ROWS, BATCHES, TESTED = 120, 32, 20, 400
VARIANTS: dict[str, tuple[int, str]] = {"plane": (8, "sinusoid2d"), "none": (8, "none"), "large": (16, "sinusoid2d")}
"""Models by the side of a patch and their positions."""


def picture(rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Return light paper with a coloured square, uint8 [32, 32, 3], and whether it is in the right half."""
    image = np.full((SIDE, SIDE, 3), 240) + rng.integers(-8, 9, (SIDE, SIDE, 1))
    label, row, column = (int(rng.integers(most)) for most in (2, SIDE - SQUARE, SIDE // 2 - SQUARE))
    column += label * SIDE // 2
    image[row : row + SQUARE, column : column + SQUARE] = COLOURS[int(rng.integers(len(COLOURS)))]
    return image.astype(np.uint8), label


def processor(patch: int) -> ImageProcessor:
    """Return what cuts the pictures into patches of a side."""
    return ImageProcessor(height=SIDE, width=SIDE, patch=patch)


def embed(patch: int) -> PatchEmbed:
    """Return the way in of a model that reads such patches."""
    return PatchEmbed(patch=patch, size=(SIDE // patch, SIDE // patch), class_token=False)


def batch(patch: int, seed: int, count: int) -> Batch:
    """Return pictures as a batch, one a row, with their labels."""
    rows, cut = [], processor(patch)
    for number in range(count):
        image, label = picture(generator(seed, number))
        made = cut(image)
        rows.append([Example(enc=made.values, places=made.places, targets={"label": np.array(label)})])
    return place(collate(rows, pad=0), torch.device("cpu"))


def exact() -> Numbers:
    """Return tokens and numbers of patches of a picture of 224 x 224, and what the first layer of ViT-Base holds."""
    found: dict[str, Any] = {}
    for patch in (8, 16, 32):
        found[f"patches_{patch}"] = ImageProcessor(patch=patch).longest
        found[f"numbers_{patch}"] = PatchEmbed(patch=patch).patch_size
    base = configure("vit")
    entry: Any = PatchEmbed().build(base.hidden_size, base.context, Learned(), 0.0)
    (image, _), cut = picture(generator(1)), processor(8)
    made = cut(image)
    back = cut.levels(made.values, made.places)
    return {
        **found,
        "matrix": sum(weight.numel() for weight in entry.patch.parameters()),
        "table": sum(weight.numel() for weight in entry.position.parameters()),
        "vit": sum(parameters(base).values()),
        "tested": TESTED,
        "lost": int(np.abs(back.astype(int) - image).max()),
    }


def learned(patch: int, position: str) -> tuple[float, float, float]:
    """Train a small ViT to tell on which side the square is; return loss, share of right answers and CPU seconds."""
    torch.manual_seed(0)
    stack = {"embed": {"kind": "patches", **embed(patch).model_dump(include={"patch", "size", "class_token"})}}
    head = {"kind": "classify", "labels": LABELS, "pool": "mean"}
    made = api.build(
        "vit", layers=2, heads=2, hidden_size=64, position=[position], init="scaled", encoder=stack, head=head
    )
    transformer, since = made.transformer.train(), time.process_time()
    optimizer = torch.optim.AdamW(transformer.parameters(), lr=3e-3)
    batches = [batch(patch, 1000 + number, ROWS) for number in range(BATCHES)]
    for step in range(STEPS):
        given = batches[step % BATCHES]
        loss = LabelLoss()(transformer.head, transformer(given), given)
        optimizer.zero_grad()
        (loss.total / given.count()).backward()
        optimizer.step()
    spent, asked = time.process_time() - since, batch(patch, 7, TESTED)
    with evaluating(transformer):
        hidden = transformer(asked)
        loss = LabelLoss()(transformer.head, hidden, asked)
        right = transformer.head(hidden.mean(1)).argmax(-1) == asked.targets["label"]
    return float(loss.losses.mean()), float(right.float().mean()), spent


def measured(scratch: Path) -> Numbers:
    """Train three small models that differ in positions or in the side of their patches."""
    found: dict[str, Any] = {}
    for name, (patch, position) in VARIANTS.items():
        loss, right, spent = learned(patch, position)
        found |= {f"loss_{name}": loss, f"right_{name}": right, f"seconds_{name}": spent}
    return found


def drawing(numbers: Numbers) -> Any:
    """Return a picture, its patches in three sizes, and the vector of each behind a fresh matrix."""
    image, _ = picture(generator(5))
    sizes: dict[str, Any] = {}
    for patch in SIZES:
        made = processor(patch)(image)
        torch.manual_seed(0)
        entry = embed(patch).build(WIDTH, 0, Learned(), 0.0)
        rows = place(
            collate([[Example(enc=made.values, places=made.places, targets={"label": np.array(0)})]], 0),
            torch.device("cpu"),
        )
        with torch.no_grad():
            vectors = entry(rows.enc)[0]
        sizes[str(patch)] = {
            "values": made.values.astype(np.float64).round(2).tolist(),
            "places": made.places.tolist(),
            "vectors": vectors.double().round(decimals=3).tolist(),
        }
    return {"picture": image.tolist(), "sizes": sizes}


LESSON = Lesson("pictures", exact, drawing, measured)
