"""Tour 5: pictures in, text out. Run it: python tours/5_reading_pictures.py

A small world: pictures of 32 x 32 pixels with one to four things in their corners, and questions about them. Everything
is drawn here, so every answer is known; some things, such as a red triangle, are never drawn for training.

    1. a picture is a row of patches    what a model reads in place of ids
    2. questions and answers            rows of a picture, a question and its answer
    3. training                         one encoder of patches, one decoder that attends to it
    4. asked                            new pictures; things that were never seen together
    5. without eyes                     the same model, trained on the questions alone: what guessing gives
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

import trivium
from trivium.base.config import parse
from trivium.base.seeds import generator
from trivium.image.processor import ImageProcessor
from trivium.task.run import run
from trivium.train.recipe import Recipe

COLOURS = {"red": (220, 40, 40), "green": (40, 170, 60), "blue": (50, 80, 230), "yellow": (240, 200, 30)}
SHAPES = ("circle", "square", "triangle")
CORNERS = ("top left", "top right", "bottom left", "bottom right")
NEVER = {("red", "triangle"), ("blue", "circle"), ("yellow", "square")}
"""Things that no picture of training has; each colour and each shape is there in others."""
SIZE, PATCH = 32, 8


class Thing(NamedTuple):
    """A coloured shape in a corner."""

    colour: str
    shape: str
    corner: str


def picture(things: list[Thing], rng: np.random.Generator) -> np.ndarray:
    """Draw things on light paper, uint8 [32, 32, 3], each somewhere in its corner."""
    image = np.full((SIZE, SIZE, 3), 245, dtype=np.int64) + rng.integers(-6, 7, (SIZE, SIZE, 1))
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for colour, shape, corner in things:
        down, right = divmod(CORNERS.index(corner), 2)
        radius = rng.uniform(4, 6)
        y, x = (16 * at + 8 + rng.uniform(radius - 7.5, 7.5 - radius) for at in (down, right))
        dy, dx = rows - y, columns - x
        inside = {
            "circle": dy**2 + dx**2 <= radius**2,
            "square": np.maximum(abs(dy), abs(dx)) <= 0.85 * radius,
            "triangle": (dy <= radius) & (abs(dx) <= (dy + radius) / 2),
        }[shape]
        image[inside] = COLOURS[colour]
    return image.clip(0, 255).astype(np.uint8)


def scene(rng: np.random.Generator, unseen: bool = False) -> list[Thing]:
    """Return one to four things in corners of their own; with `unseen` the first is one that training never draws."""
    known = [(colour, shape) for colour in COLOURS for shape in SHAPES if (colour, shape) not in NEVER]
    corners = rng.permutation(len(CORNERS))[: rng.integers(1, 5)]
    things = [Thing(*known[int(rng.integers(len(known)))], CORNERS[corner]) for corner in corners]
    if unseen:
        things[0] = Thing(*sorted(NEVER)[int(rng.integers(len(NEVER)))], things[0].corner)
    return things


def questions(thing: Thing, things: list[Thing]) -> Iterator[tuple[str, str]]:
    """Yield what can be asked about a thing of a scene, where it has one answer, and the answer."""
    colours, shapes = [one.colour for one in things], [one.shape for one in things]
    yield f"what is {thing.corner}?", f"{thing.colour} {thing.shape}"
    if shapes.count(thing.shape) == 1:
        yield f"what colour is the {thing.shape}?", thing.colour
    if colours.count(thing.colour) == 1:
        yield f"what shape is {thing.colour}?", thing.shape
    if sum(one[:2] == thing[:2] for one in things) == 1:
        yield f"where is the {thing.colour} {thing.shape}?", thing.corner
    yield f"how many {thing.shape}s?", str(shapes.count(thing.shape))
    yield f"how many {thing.colour} things?", str(colours.count(thing.colour))


def rows(folder: Path, name: str, count: int, seed: int, unseen: bool = False, blind: bool = False) -> Path:
    """Write `count` pictures, each with a question and its answer; return the file of rows.

    With `unseen` the question is about a thing that training never draws; with `blind` every picture is empty paper.
    """
    from PIL import Image

    (folder / name).mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        rng = generator(seed, number)
        things = scene(rng, unseen)
        asked = [*questions(things[0], things)]
        question, answer = asked[int(rng.integers(len(asked)))]
        Image.fromarray(picture([] if blind else things, rng)).save(folder / name / f"{number}.png")
        lines.append({"image": f"{name}/{number}.png", "question": question, "answer": answer})
    file = folder / f"{name}.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def recipe(file: Path, steps: int) -> Recipe:
    """Return the recipe of a model that answers questions about pictures."""
    embed = {"kind": "patches", "patch": PATCH, "size": [SIZE // PATCH] * 2, "class_token": False}
    stack = {"layers": 2, "heads": 4}
    tree = {
        "tokenizer": "bytes",
        "objective": "caption",
        "data": {"path": [str(file)], "length": 256},
        "image": {"height": SIZE, "width": SIZE, "patch": PATCH},
        "model": {
            "vocab_size": 384,
            "hidden_size": 96,
            "context": 256,
            "init": "scaled",
            "encoder": {**stack, "embed": embed},
            "decoder": {**stack, "pattern": "causal", "position": "rope"},
        },
        "optim": {"lr": 3e-3},
        "schedule": {"kind": "wsd", "warmup_steps": min(50, steps // 4), "decay": 0.5},
        "budget_steps": steps,
        "batch_tokens": 2048,
        "save_every_steps": 10_000,
        "log_every_steps": max(1, steps // 5),
    }
    return parse(Recipe, tree)


def right(model: trivium.Model, file: Path) -> float:
    """Return the share of the questions of a file that a model answers exactly."""
    asked = [json.loads(line) for line in file.read_text().splitlines()]
    images = [file.parent / row["image"] for row in asked]
    said = model.generate([row["question"] for row in asked], max_new_tokens=16, images=images)
    return sum(one == row["answer"] for one, row in zip(said, asked, strict=True)) / len(asked)


def title(text: str) -> None:
    """Print the heading of a step."""
    print(f"\n{'=' * 100}\n{text}\n")


def main(steps: int, count: int, tested: int) -> None:
    """Walk through the tour."""
    here = Path(tempfile.mkdtemp(prefix="trivium-tour-"))
    title("1. A picture is a row of patches")
    rng = generator(0)
    things = scene(rng)
    drawn = picture(things, rng)
    patches = ImageProcessor(height=SIZE, width=SIZE, patch=PATCH)(drawn)
    print(f"{drawn.shape[0]} x {drawn.shape[1]} pixels become {patches.values.shape[0]} patches", end=" ")
    print(f"of {patches.values.shape[1]} numbers, at rows and columns {patches.places[:5].tolist()} ...")

    title("2. Questions and answers")
    print(f"the picture shows {', '.join(f'a {one.colour} {one.shape} {one.corner}' for one in things)}")
    for question, answer in questions(things[0], things):
        print(f"  {question:<28} {answer}")

    title("3. Training")
    models = {}
    for name, blind in (("with the picture", False), ("the question alone", True)):
        file = rows(here, f"train-{blind}", count, seed=1, blind=blind)
        models[name] = trivium.load(run(recipe(file, steps), here / f"run-{blind}"))

    title("4. Asked about new pictures, and about things that were never seen together")
    sees = models["with the picture"]
    for question, answer in questions(things[0], things):
        print(f"  {question:<28} {sees.generate([question], max_new_tokens=16, images=[drawn])[0]:<16} ({answer})")

    title("5. Without eyes")
    tests = {
        "new pictures": rows(here, "new", tested, seed=2),
        f"never seen: {', '.join(' '.join(one) for one in sorted(NEVER))}": rows(here, "never", tested, 3, unseen=True),
    }
    for what, file in tests.items():
        print(what)
        for name, model in models.items():
            print(f"  {name:<20} {right(model, file):.1%} of {tested} answers are right")
    shutil.rmtree(here)


if __name__ == "__main__":
    main(*(int(word) for word in (*sys.argv[1:], "1200", "12000", "500")[:3]))
