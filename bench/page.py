"""What a page of `trivium export --to page` says beside Python: the likeliest next id at each place of held-out text.

    .venv/bin/python bench/page.py runs/demo/pretrain/model runs/demo/data [--documents 30] [--tokens 120]

The same ids are read by the page's JavaScript in node, in float32 and in 8 bits, and by Python with the model's weights
and with those of the page in 8 bits. Also the processor time of a token in node.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np

import trivium
from shown import exported, node, rounded
from trivium.data.shards import Corpus

READ = """(() => {
  let begin = process.cpuUsage();
  const found = texts.map((ids) => {
    reader.begin();
    reader.read(ids);
    return reader.states.map((_, at) => reader.said(at, undefined, 0).top[0][0]);
  });
  return [found, process.cpuUsage(begin).user / 1000];
})()"""


def python(model: trivium.Model, texts: list[list[int]]) -> np.ndarray:
    """Return the likeliest next ids of all places."""
    size = model.tokenizer.size
    return np.concatenate([model.logits([ids])[0, :, :size].argmax(-1).numpy() for ids in texts])


def main() -> None:
    """Compare, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--documents", type=int, default=30)
    parser.add_argument("--tokens", type=int, default=120)
    options = parser.parse_args()
    model, corpus = trivium.load(options.model), Corpus(options.data, "valid")
    bos, texts = model.tokenizer.vocabulary.bos, list[list[int]]()
    for document in corpus.documents():
        ids = [*([] if bos is None else [bos]), *map(int, document)][: options.tokens]
        if len(ids) == options.tokens and len(texts) < options.documents:
            texts.append(ids)
    found, sizes, times = {}, {}, {}
    with TemporaryDirectory() as place:
        for kind in ("fp32", "int8"):
            file = exported(model, Path(place) / f"{kind}.html", kind)
            rows, times[kind] = node(file, READ, texts=texts)
            found[kind], sizes[kind] = np.concatenate(rows), file.stat().st_size
    wanted = python(model, texts)
    same = python(rounded(model), texts)
    places = len(wanted)
    print(f"{places:,} places; pages of {sizes['fp32']:,} and {sizes['int8']:,} bytes")
    for name, a, b in (
        ("page in float32, Python in float32", found["fp32"], wanted),
        ("page in 8 bits, Python with the same weights", found["int8"], same),
        ("page in 8 bits, Python in float32", found["int8"], wanted),
    ):
        print(f"{name}: {(a == b).mean():.1%}")
    small, large = times["int8"] / places, times["fp32"] / places
    print(f"processor time of a token in node: {small:.1f} ms in 8 bits, {large:.1f} in float32")


if __name__ == "__main__":
    main()
