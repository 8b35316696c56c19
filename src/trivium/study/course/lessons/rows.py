"""Raw text to rows of 1,024: one small page through every step, and the text of the course packed in three ways."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from trivium.base.batch import collate
from trivium.base.seeds import generator
from trivium.base.types import IGNORE
from trivium.corpus.clean import sentences
from trivium.corpus.clean.clean import clean
from trivium.corpus.clean.language import guess
from trivium.data.pack import RowPlan, best_fit, concat
from trivium.objective.causal import CausalLM
from trivium.study.course import short
from trivium.study.course.lesson import Lesson, Numbers
from trivium.token.tokenizer import Tokenizer

RAW = (
    "---\ntitle: The tide\n---\n"
    "The tide rises twice a day.  It fills the harbour, e.g. at Saint-Malo, and the boats donâ€™t wait.\r\n"
    "\x07Then it falls: the sand is bare, and the gulls come back.\r\n\r\n\r\n\r\n"
    + "Share this page\r\n" * 4
    + "潮水每天涨两次。“你看见了吗？”他问。"
)
ROOM, SMALL = 1024, 64
"""Places of the rows that are planned, and of the row that is drawn token by token."""
MERGES = (0, 1, 2, 4, 8, 16, 32, 64, 128)
VOCABULARIES = (384, 512, 1024, 2048, 4096)
DOCUMENTS = 40


def cleaned() -> tuple[str, Counter[str]]:
    """Return the page after cleaning, and the repairs by reason."""
    counts: Counter[str] = Counter()
    return clean(RAW, counts=counts), counts


def split(text: str) -> list[str]:
    """Return the sentences of a text, paragraph by paragraph, each in its own language."""
    return [part for line in text.split("\n") for part in sentences.split(line, guess(line))]


def tokenizer() -> Tokenizer:
    """Return byte-level BPE of 131 merges, trained on the page and on docstrings of the packer."""
    return Tokenizer.train([cleaned()[0]] * 8 + [best_fit.__doc__ or "", concat.__doc__ or ""], 512)


def merged(known: Tokenizer, count: int) -> Tokenizer:
    """Return a tokenizer with its first `count` merges only."""
    tree = json.loads(known.json)
    return Tokenizer(json.dumps({**tree, "model": {**tree["model"], "merges": tree["model"]["merges"][:count]}}))


def shown(known: Tokenizer, index: int) -> str:
    """Return the text of a token; bytes that are no whole character as hexadecimal numbers."""
    raw = known.raw(index)
    assert raw is not None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.hex(" ").upper()


def alone(lengths: np.ndarray, room: int) -> RowPlan:
    """Return the plan that gives each document a row of its own, or several where it is longer than one."""
    plan = best_fit(lengths, room)
    return RowPlan(plan.document, plan.start, plan.length, np.arange(len(plan.length) + 1), room)


PLANNERS = {"alone": alone, "concat": concat, "bestfit": best_fit}


def drawn() -> np.ndarray:
    """Return the lengths of documents, drawn most of them short, and a few longer than a row."""
    return np.maximum(8, 300 * np.exp(generator(12).normal(size=DOCUMENTS))).astype(np.int64)


def plans(lengths: np.ndarray) -> dict[str, Any]:
    """Return rows, share of padding and documents that are cut of each plan."""
    found: dict[str, Any] = {}
    for name, planner in PLANNERS.items():
        plan = planner(lengths, ROOM)
        found |= {f"rows_{name}": len(plan), f"waste_{name}": plan.waste, f"cut_{name}": plan.cut}
    return found


def exact() -> Numbers:
    """Return what becomes of the small page, and the plans of the lengths that are drawn."""
    text, counts = cleaned()
    known, parts = tokenizer(), split(text)
    plan = {f"drawn_{name}": value for name, value in plans(drawn()).items()}
    sizes = {"repairs": counts.total(), "raw_characters": len(RAW), "characters": len(text), "sentences": len(parts)}
    tokens = {"page_bytes": len(merged(known, 0).encode(text)), "page_tokens": len(known.encode(text))}
    return {**sizes, **tokens, **plan, "drawn_tokens": int(drawn().sum())}


def measured(scratch: Path) -> Numbers:
    """Train vocabularies of several sizes on the text of the course, and pack its documents in three ways."""
    lines = short.text(scratch).read_text(encoding="utf-8").splitlines()
    texts = [clean(json.loads(line)["text"]) for line in lines]
    held, learned = texts[::20], [text for at, text in enumerate(texts) if at % 20]
    size = sum(len(text.encode()) for text in held)
    found: dict[str, Any] = {"documents": len(texts), "bytes": sum(len(text.encode()) for text in texts)}
    for vocabulary in VOCABULARIES:
        known = Tokenizer.train(learned, vocabulary) if vocabulary > VOCABULARIES[0] else Tokenizer.bytes()
        found[f"bytes_{vocabulary}"] = size / len(known.encode_batch(held)[0])
    lengths = np.diff(known.encode_batch(texts)[1].astype(np.int64)) + 2  # BOS and EOS
    return {**found, "tokens": int(lengths.sum()), "longest": int(lengths.max()), **plans(lengths)}


def row(known: Tokenizer, texts: list[str]) -> dict[str, Any]:
    """Return documents in one row, token by token, as a decoder reads them."""
    objective, vocabulary = CausalLM(), known.vocabulary
    before, after = objective.frame(vocabulary)
    examples = []
    for text in texts:
        ids = np.array([*before, *known.encode(text.strip()), *after])
        examples.append(objective.piece(ids, None, vocabulary, generator(0)))
    batch = collate([examples], vocabulary.pad, SMALL)
    names = {IGNORE: ""} | {index: known.name(index) for index in known.special}
    columns = {"ids": batch.stream.ids, "targets": batch.targets["token"]}
    made = {
        key: [names.get(int(i)) or shown(known, int(i)) if i >= 0 else None for i in one[0]]
        for key, one in columns.items()
    }
    return {**made, "positions": batch.stream.positions[0].tolist(), "documents": batch.stream.documents[0].tolist()}


def drawing(numbers: Numbers) -> Any:
    """Return the page after each step, its tokens after so many merges, one row, and the rows of each plan."""
    text, counts = cleaned()
    known, parts = tokenizer(), split(text)
    merges = [known.id_of("".join(pair)) for pair in json.loads(known.json)["model"]["merges"]]
    steps = []
    for count in MERGES:
        less = merged(known, count)
        steps.append({"count": count, "tokens": [shown(less, index) for index in less.encode(text)]})
    packed = {}
    for name, planner in PLANNERS.items():
        plan = planner(drawn(), ROOM)
        bounds = zip(plan.rows[:-1].tolist(), plan.rows[1:].tolist(), strict=True)
        packed[name] = {"rows": [[*plan.pieces(*pair)] for pair in bounds], "waste": plan.waste, "cut": plan.cut}
    return {
        "raw": RAW,
        "clean": text,
        "repairs": [*counts.items()],
        "sentences": parts,
        "bytes": len(text.encode()),
        "merges": [shown(known, index) for index in merges],
        "steps": steps,
        "row": row(known, [parts[0], parts[1], parts[2]]),
        "room": ROOM,
        "lengths": drawn().tolist(),
        "plans": packed,
    }


LESSON = Lesson("rows", exact, drawing, measured)
