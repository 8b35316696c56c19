"""Files that tests write, and the texts that are read from them."""

from trivium.corpus.read.reading import Reading
from trivium.corpus.read.sources import read


def texts(path, counts=None, **reading):
    return [document.text for document in read([path], Reading(**reading), counts)]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
