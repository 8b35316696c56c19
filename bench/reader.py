"""Printed lines: character error rates of a reader of ours beside Tesseract and PP-OCR, on the same pictures.

    python bench/reader.py [runs/reader/model] [--lines 1000] [--rapidocr PYTHON] [--folder runs/reader-lines]

Nine classes: the levels clean, worn and hard, each with held-out texts in the faces of training (`texts`), in a
held-out face of a known family (`face`) and in a held-out family (`family`). Pictures are written once by `trivium
lines`, and what each side reads is kept beside them, so a run that was stopped goes on. Tesseract is Debian's
`tesseract-ocr`, asked for one line (--psm 7). PP-OCR is the package `rapidocr` with `onnxruntime`, in a Python of its
own. A peer that is not installed is left out. CER is errors by signs over all lines, by jiwer; white space at the ends
does not count. The script prints a table and writes bench/results/reader.json.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import jiwer

from infer import machine
from trivium.base.files import read_json, sha256, write_json
from trivium.image.lines.line import Drawing
from trivium.rows.lines import write_lines

LEVELS, PARTS = ("clean", "worn", "hard"), ("texts", "face", "family")
SEED = 2026
"""Not the seed of any recipe: other texts and other drawings."""
BATCH = 50
"""The lines after which what was read is kept."""
RAPID = """
import json, sys
from rapidocr import RapidOCR
engine = RapidOCR(params={"Global.log_level": "error"})
for name in sys.stdin:
    found = engine(name.strip(), use_det=False, use_cls=False, use_rec=True)
    print(json.dumps((found.txts or [""])[0]), flush=True)
"""
Reader = Callable[[list[Path]], list[str]]
"""Pictures of lines become texts."""


def tesseract(pictures: list[Path]) -> list[str]:
    """Return what Tesseract reads."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as names:
        names.write("".join(f"{path}\n" for path in pictures))
        names.flush()
        command = ["tesseract", names.name, "stdout", "--psm", "7"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [page.strip() for page in done.stdout.split("\f")][: len(pictures)]


def rapidocr(python: str) -> Reader:
    """Return PP-OCR in another Python."""
    engine = subprocess.Popen([python, "-c", RAPID], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def read(pictures: list[Path]) -> list[str]:
        assert engine.stdin and engine.stdout
        engine.stdin.write("".join(f"{path}\n" for path in pictures))
        engine.stdin.flush()
        return [json.loads(engine.stdout.readline()) for _ in pictures]

    return read


def ours(folder: Path) -> Reader:
    """Return our reader."""
    import trivium

    model = trivium.load(folder)
    return lambda pictures: model.generate(images=pictures, max_new_tokens=80)


def known(python: str | None) -> dict[str, Callable[[], Reader]]:
    """Return the peers of this machine."""
    found: dict[str, Callable[[], Reader]] = {}
    if shutil.which("tesseract"):
        found["tesseract"] = lambda: tesseract
    if python is not None:
        found["pp-ocr"] = lambda: rapidocr(python)
    return found


def answers(file: Path, pictures: list[Path], make: Callable[[], Reader], cache: dict[str, Reader]) -> dict[str, Any]:
    """Return what a side reads of all pictures, and its seconds; `file` keeps it as it goes."""
    kept = read_json(file) if file.is_file() else {"texts": [], "seconds": 0.0}
    while (at := len(kept["texts"])) < len(pictures):
        reader = cache.setdefault(file.stem, make())
        began = time.perf_counter()
        found = reader(pictures[at : at + BATCH])
        assert len(found) == len(pictures[at : at + BATCH]), f"{file.stem} lost a line"
        kept = {"texts": kept["texts"] + found, "seconds": kept["seconds"] + time.perf_counter() - began}
        write_json(file, kept)
    return dict(kept)


def sheet(file: Path, folders: list[Path], side: str) -> None:
    """Draw lines that a side read right (one a folder) and wrong (two), each above the right text and what was read."""
    from PIL import Image, ImageDraw

    from trivium.image.lines.face import shipped

    font = shipped()[0].sized(11)
    blocks = []
    for folder in folders:
        rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
        found = read_json(folder / f"{side}.json")["texts"]
        pairs = [(row, text) for row, text in zip(rows, found, strict=True) if len(row["text"]) > 20]
        hits = [pair for pair in pairs if pair[0]["text"] == pair[1]]
        misses = [pair for pair in pairs if pair[0]["text"] != pair[1]]
        for row, text in hits[:1] + misses[:2]:
            block = Image.new("L", (640, 64 if text != row["text"] else 50), 255)
            block.paste(Image.open(folder / row["image"]), (0, 0))
            pen = ImageDraw.Draw(block)
            pen.text((4, 33), f"right   {row['text']}", fill=60, font=font)
            if text != row["text"]:
                pen.text((4, 47), f"read    {text}", fill=0, font=font)
            blocks.append(block)
    whole = Image.new("L", (640, sum(block.height for block in blocks)), 255)
    at = 0
    for block in blocks:
        whole.paste(block, (0, at))
        at += block.height
    whole.quantize(16).save(file, optimize=True)


def main() -> None:
    """Read all classes by all sides; print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, help="a model folder; without one only the peers read")
    parser.add_argument("--lines", type=int, default=1000, help="lines of each class")
    parser.add_argument("--rapidocr", help="a Python with rapidocr and onnxruntime")
    parser.add_argument("--folder", type=Path, default=Path("runs/reader-lines"), help="pictures, and what was read")
    parser.add_argument("--only", help="one level, such as clean")
    parser.add_argument("--name", default="trivium", help="the name of our side: another for another model")
    parser.add_argument("--sheet", type=Path, help="a PNG of lines that were read right and wrong")
    options = parser.parse_args()
    sides = known(options.rapidocr)
    if options.model is not None:
        weights = sha256(options.model / "model.safetensors")[:12]
        sides = {f"{options.name}-{weights}": lambda: ours(options.model), **sides}
    table: dict[str, dict[str, Any]] = {}
    cache: dict[str, Reader] = {}
    for level in [options.only] if options.only else LEVELS:
        for part in PARTS:
            folder = options.folder / f"{level}-{part}-{options.lines}"
            if not folder.is_dir():
                write_lines(folder, f"lines:{level}:{part}:{options.lines}", Drawing(seed=SEED))
            rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
            pictures, right = [folder / row["image"] for row in rows], [row["text"] for row in rows]
            row: dict[str, Any] = {}
            for side, make in sides.items():
                found = answers(folder / f"{side}.json", pictures, make, cache)
                read = [" ".join(text.split()) for text in found["texts"]]
                row[side] = {
                    "cer": round(float(jiwer.cer(right, read)), 5),
                    "exact": sum(map(str.__eq__, right, read)) / len(right),
                    "lines_per_second": round(len(right) / max(found["seconds"], 1e-9), 1),
                }
            table[f"{level}, {part}"] = row
            shown = "  ".join(f"{side} {100 * one['cer']:6.2f} %" for side, one in row.items())
            print(f"{level:<6} {part:<7} {shown}", flush=True)
    if options.sheet is not None and options.model is not None:
        levels = [options.only] if options.only else LEVELS
        parts = PARTS if options.only else ["texts"]
        folders = [options.folder / f"{level}-{part}-{options.lines}" for level in levels for part in parts]
        sheet(options.sheet, folders, next(iter(sides)))
    words = ["PYTHON" if word == options.rapidocr else word for word in sys.argv[1:]]  # where it is says nothing
    command = " ".join(["python bench/reader.py", *words])
    facts = {"date": str(date.today()), "command": command, "machine": machine(), "threads": os.cpu_count()}
    results = Path(__file__).resolve().parent / "results" / "reader.json"
    before = read_json(results) if results.is_file() else {}
    write_json(
        results, {**before, f"{options.name}-{options.lines}-{options.only or 'all'}": {**facts, "classes": table}}
    )


if __name__ == "__main__":
    main()
