"""Write one vector for each line of a file as a .npy file."""

import io
from pathlib import Path

import numpy as np

from trivium import api
from trivium.base.errors import ConfigError, DataError
from trivium.base.files import writing
from trivium.base.log import say
from trivium.corpus.read.reading import Counts, Reading
from trivium.corpus.read.text import TextFile
from trivium.model.device import pick


def embed_lines(model: str | Path, source: Path, out: Path, prompt: str | None = None) -> tuple[int, int]:
    """Write the vectors of the lines of a file, [N, D] float32, without blank lines; return N and D.

    `prompt` is the name of a prompt of the model. Only LF, CR LF and CR end a line. What was left out or repaired is
    told. ConfigError: `out` is no .npy file.
    """
    if out.suffix != ".npy":
        raise ConfigError(f"{out}: vectors are written as .npy; expected a name that ends in .npy")
    counts = Counts()
    lines = [line.rstrip("\r\n") for _, line in TextFile(source, Reading(unsure="stop"), counts).lines()]
    texts = [text for line in lines for text in line.split("\r") if text.strip()]
    counts["blank line, without a vector"] += sum(not line.strip() for line in lines)
    for what, count in (+counts).items():
        say(f"{source}: {what}" + f" ({count:,} times)" * (count > 1))
    if not texts:
        raise DataError(f"{source}: expected one text per line, found none")
    vectors = api.load(model, device=pick()).embed(texts, prompt).numpy()
    buffer = io.BytesIO()
    np.save(buffer, vectors)
    with writing(out) as handle:
        handle.write(buffer.getvalue())
    return vectors.shape[0], vectors.shape[1]
