"""A small world of pictures, rows about it, and small models that read them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

import small
import trivium
from trivium.token.tokenizer import Tokenizer

COLOURS = {"red": (220, 30, 30), "green": (30, 160, 30), "blue": (30, 30, 220)}
EMBED = {"kind": "patches", "patch": 8, "size": [2, 2], "class_token": True}
SIZE = 16


def square(colour: str, seed: int = 0) -> np.ndarray:
    """A square of a colour somewhere on white, uint8 [16, 16, 3]."""
    x, y, side = np.random.default_rng(seed).integers([1, 1, 6], [6, 6, 9])
    found = np.full((SIZE, SIZE, 3), 255, dtype=np.uint8)
    found[y : y + side, x : x + side] = COLOURS[colour]
    return found


def pictures(folder: Path, count: int) -> list[tuple[str, str]]:
    """Write squares as PNG; return the name and the colour of each."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number in range(count):
        colour = [*COLOURS][number % len(COLOURS)]
        Image.fromarray(square(colour, number)).save(folder / f"{number}.png")
        found.append((f"{number}.png", colour))
    return found


def reader(cross: bool = True, hidden_size: int = 32, kind: str = "patches") -> trivium.Model:
    """A model that has learned nothing: it reads pictures and writes bytes."""
    torch.manual_seed(0)
    encoder = {"layers": 1, "heads": 2, "hidden_size": 32, "embed": {**EMBED, "kind": kind}}
    decoder: dict[str, Any] = {"layers": 1, "heads": 2, "cross": cross}
    more = {} if cross else {"image_token": 100, "project": True}
    sizes = {"vocab_size": 384, "context": 64, "hidden_size": hidden_size}
    made = trivium.build("vit-gpt2", encoder=encoder, decoder=decoder, **sizes, **more)
    made.tokenizer = Tokenizer.bytes()
    return made


def seer() -> trivium.Model:
    """A model that has learned nothing: it reads pictures, and has no tokenizer."""
    torch.manual_seed(0)
    return trivium.build("vit", hidden_size=32, encoder={"layers": 1, "heads": 2, "embed": EMBED})


def world(folder: Path, count: int = 24) -> dict[str, Path]:
    """Files of rows about the pictures of a folder: captions, questions, labels."""
    seen = pictures(folder, count)
    forms = {
        "text": [{"image": name, "text": colour} for name, colour in seen],
        "label": [{"image": name, "label": colour} for name, colour in seen],
        "question": [
            {"image": name, "question": "which?" if i % 2 else "a square?", "answer": colour if i % 2 else "yes"}
            for i, (name, colour) in enumerate(seen)
        ],
    }
    return {name: small.rows(folder / f"{name}.jsonl", made) for name, made in forms.items()}
