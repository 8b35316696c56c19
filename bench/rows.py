"""Convert public data sets to row files with splits, for `bench/tasks.py` and `bench/baseline.py`.

    python bench/rows.py FOLDER -o runs/tasks/rows

FOLDER holds the data sets as their authors publish them, zstd-compressed, one folder each. The script names each set
that is not there and goes on. Splits are the authors'. If there are none, a hash of a row's text decides, so equal
texts are on one side, and so are translations of one sentence. If answers are generated, which is slow, test is a part
of the authors' test. OUT/pairs.jsonl has the training translations as texts, for pretraining.
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from trivium.corpus.read.unpack import zstd

Rows = Iterator[tuple[str, dict[str, Any]]]
"""(split, row)."""


def text(path: Path) -> str:
    """Return a compressed file as text, without its byte-order mark."""
    with zstd.open(path, "rt", encoding="utf-8-sig") as handle:
        return handle.read()


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Return the objects of a .jsonl.zst."""
    return map(json.loads, filter(None, text(path).split("\n")))


def side(key: str, share: float = 0.1) -> str:
    """Return the split of a text."""
    return "test" if hashlib.sha256(key.encode()).digest()[0] < 256 * share else "train"


def polarity(folder: Path) -> Rows:
    """Sentences of film reviews, two classes."""
    for row in lines(folder / "cls_sentence_polarity_en/all.jsonl.zst"):
        yield side(row["text"]), {"text": row["text"], "label": row["label"]}


def sms(folder: Path) -> Rows:
    """Short messages, spam or not."""
    for line in text(folder / "cls_sms_spam_en/SMSSpamCollection.tsv.zst").rstrip("\n").split("\n"):
        label, message = line.split("\t", 1)
        yield side(message), {"text": message, "label": label}


def clinc(folder: Path) -> Rows:
    """Requests of users with 150 intents; requests out of scope are left out."""
    data = json.loads(text(folder / "cls_clinc150_en/data_full.json.zst"))
    for split in ("train", "val", "test"):
        for sentence, label in data[split]:
            yield {"val": "valid"}.get(split, split), {"text": sentence, "label": label}


def clinc_pairs(folder: Path) -> Rows:
    """The same as retrieval: a sentence, and another sentence of its intent."""
    groups: dict[tuple[str, str], list[str]] = {}
    for split, row in clinc(folder):
        groups.setdefault((split, row["label"]), []).append(row["text"])
    for (split, label), sentences in groups.items():
        for query, positive in zip(sentences, sentences[1:] + sentences[:1], strict=True):
            yield split, {"query": query, "positive": positive, "label": label}


def sgd(folder: Path) -> Rows:
    """Dialogues about tasks: whole for training; a test dialogue ends at one answer, alternately early and late."""
    for split in ("train", "test"):
        for number, row in enumerate(lines(folder / f"dialogue_sgd/{split}.jsonl.zst")):
            turns = [
                {"speaker": {"system": "assistant"}.get(t["speaker"], t["speaker"]), "text": t["text"]}
                for t in row["turns"]
            ]
            answers = [i for i, turn in enumerate(turns) if turn["speaker"] == "assistant" and i]
            if answers:
                last = answers[-1] if split == "train" else answers[number % len(answers)]
                yield split, {"dialogue": turns[:last], "response": turns[last]["text"]}


def gsm8k(folder: Path) -> Rows:
    """Arithmetic word problems."""
    for split in ("train", "test"):
        for row in lines(folder / f"instruct_gsm8k/{split}.jsonl.zst"):
            yield split, {"question": row["question"], "context": "", "answer": row["answer"]}


def _book(folder: Path, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The book's split: 85 %, 10 % test, 5 % valid, in file order."""
    rows = json.loads(text(folder / "instruct_rasbt" / name))
    for i, row in enumerate(rows):
        share = i / len(rows)
        yield "train" if share < 0.85 else "test" if share < 0.95 else "valid", row


def rasbt(folder: Path) -> Rows:
    """Small instructions."""
    for split, row in _book(folder, "instruction-data.json.zst"):
        yield split, {"instruction": row["instruction"], "input": row["input"], "outputs": [row["output"]]}


def rasbt_prefer(folder: Path) -> Rows:
    """The same instructions with a chosen and a rejected answer."""
    for split, row in _book(folder, "instruction-data-with-preference.json.zst"):
        prompt = f"{row['instruction']}\n\n{row['input']}" if row["input"] else row["instruction"]
        yield split, {"prompt": prompt, "chosen": row["chosen"], "rejected": row["rejected"]}


def tatoeba(folder: Path) -> Rows:
    """English sentences and their Chinese translations; no sentence of test, of either language, is in train."""
    rows = [line.split("\t")[:2] for line in text(folder / "mt_tatoeba_en_zh/cmn.txt.zst").split("\n") if line]
    known = {target for source, target in rows if side(source, 0.05) == "train"}
    for source, target in rows:
        split = side(source, 0.05)
        if split == "train" or target not in known:
            yield split, {"source": source, "target": target}


def scitldr(folder: Path) -> Rows:
    """Abstracts of papers and summaries of one sentence; several of each in test."""
    for split, name in (("train", "train"), ("valid", "dev"), ("test", "test")):
        for row in lines(folder / f"sum_scitldr_en/{name}.jsonl.zst"):
            yield split, {"document": " ".join(row["source"]), "summary": row["target"]}


def xquad(folder: Path, language: str) -> Rows:
    """Questions about paragraphs, split by article."""
    data = json.loads(text(folder / f"qa_xquad/xquad.{language}.json.zst"))["data"]
    for number, article in enumerate(data):
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                found = {
                    "text": [a["text"] for a in qa["answers"]],
                    "answer_start": [a["answer_start"] for a in qa["answers"]],
                }
                row = {"id": qa["id"], "context": paragraph["context"], "question": qa["question"], "answers": found}
                yield "test" if number % 6 == 5 else "train", row


SETS: dict[str, Callable[[Path], Rows]] = {
    "polarity": polarity,
    "sms": sms,
    "clinc": clinc,
    "clinc-pairs": clinc_pairs,
    "sgd": sgd,
    "gsm8k": gsm8k,
    "rasbt": rasbt,
    "rasbt-prefer": rasbt_prefer,
    "tatoeba": tatoeba,
    "scitldr": scitldr,
    "xquad-en": lambda folder: xquad(folder, "en"),
    "xquad-zh": lambda folder: xquad(folder, "zh"),
}


MOST = {"sgd": 100, "gsm8k": 100, "tatoeba": 500, "scitldr": 100, "clinc-pairs": 1500}
"""Rows of test at most, spread evenly over the whole: writing and comparing all pairs take long."""


def some(name: str, split: str, found: list[str]) -> list[str]:
    """Return the rows of a split that are kept."""
    return found[:: -(-len(found) // MOST[name])] if split == "test" and name in MOST else found


def main() -> None:
    """Write OUT/<set>/<split>.jsonl for every data set that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/tasks/rows"))
    given = parser.parse_args()
    for name, read in SETS.items():
        splits: dict[str, list[str]] = {}
        try:
            for split, row in read(given.folder):
                splits.setdefault(split, []).append(json.dumps(row, ensure_ascii=False))
        except FileNotFoundError as missing:
            print(f"{name:<14}left out: {missing.filename} is not there")
            continue
        (given.out / name).mkdir(parents=True, exist_ok=True)
        splits = {split: some(name, split, found) for split, found in splits.items()}
        for split, found in splits.items():
            (given.out / name / f"{split}.jsonl").write_text("\n".join(found) + "\n", encoding="utf-8")
        print(f"{name:<14}" + ", ".join(f"{split} {len(found):,}" for split, found in splits.items()))
    if (pairs := given.out / "tatoeba" / "train.jsonl").is_file():
        texts = (json.loads(line) for line in pairs.read_text(encoding="utf-8").rstrip("\n").split("\n"))
        made = [json.dumps({"text": f"{row['source']}\n{row['target']}"}, ensure_ascii=False) for row in texts]
        (given.out / "pairs.jsonl").write_text("\n".join(made) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
