"""Write one vector for each line of a file as a .npy file."""

import io
from pathlib import Path

import numpy as np

from trivium import api
from trivium.base.errors import DataError
from trivium.base.files import writing
from trivium.model.device import pick


def embed_lines(model: str | Path, source: Path, out: Path) -> tuple[int, int]:
    """Write the vectors of the lines of a file, [N, D] float32, without blank lines; return N and D."""
    try:
        texts = [line for line in source.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as failed:
        raise DataError(f"{source}: cannot read as UTF-8 text: {failed}") from failed
    if not texts:
        raise DataError(f"{source}: expected one text per line, found none")
    vectors = api.load(model, device=pick()).embed(texts).numpy()
    buffer = io.BytesIO()
    np.save(buffer, vectors)
    with writing(out) as handle:
        handle.write(buffer.getvalue())
    return vectors.shape[0], vectors.shape[1]
