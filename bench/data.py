"""The data pipeline beside other tools: filters, near duplicates, encoding, sentences, packing, loading.

    OMP_NUM_THREADS=1 python bench/data.py [SOURCE ...] [--megabytes 4] [--rounds 3] [--peers FOLDER ...] [--whole ...]

SOURCE is any source of `trivium prepare`; the default is the embedded corpus. The sides take turns on the same cleaned
documents in one process, and the median of their CPU time counts, so the numbers are those of one core even on a busy
machine. The script names each peer that is not installed (datatrove, spacy, tiktoken, pysbd) and goes on; each FOLDER
is a `site-packages` to search for them, after everything that is installed here. `--whole` prepares its sources from
beginning to end and takes wall time. The script prints its results and writes bench/results/data.json.
"""

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch are imported
os.environ.setdefault("RAYON_NUM_THREADS", "1")

import numpy as np

from trivium.base.files import read_json, write_json
from trivium.corpus.clean import sentences
from trivium.corpus.clean.clean import clean
from trivium.corpus.clean.filter import Filter, Light
from trivium.corpus.clean.language import UNSPACED, guess, identify
from trivium.corpus.clean.web import END_MARKS, Web
from trivium.corpus.duplicates.cluster import alike, digest, pairs
from trivium.corpus.duplicates.shingle import normal
from trivium.corpus.duplicates.signature import Near, signatures
from trivium.corpus.read.sources import read
from trivium.data.pack import best_fit, concat
from trivium.data.shards import Corpus, ShardWriter
from trivium.token.bpe import SPLIT
from trivium.token.tokenizer import Tokenizer

Side = Callable[[], Any]
LENGTH = 1024


def size(texts: Sequence[str]) -> float:
    """Megabytes of text."""
    return sum(len(text.encode()) for text in texts) / 1e6


def gather(sources: Sequence[str], megabytes: float) -> list[str]:
    """Return cleaned documents, evenly from all sources; long ones are cut so that no single book decides."""
    every = [clean(document.text[:200_000]) for document in read(sources)]
    step = max(1, round(size(every) / megabytes))
    return [text for text in every[::step] if text.strip()]


def compete(title: str, megabytes: float, sides: dict[str, Side], rounds: int) -> dict[str, Any]:
    """Run the sides in turn, `rounds` times after a warm-up; return MB per second of CPU time, and the answers."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    answers: dict[str, Any] = {}
    for number in range(rounds + 1):
        for name, side in sides.items():
            begin = time.process_time()
            answers[name] = side()
            if number:
                spent[name].append(time.process_time() - begin)
    found: dict[str, Any] = {}
    first = statistics.median(next(iter(spent.values())))
    for name, seconds in spent.items():
        middle = statistics.median(seconds)
        found[name] = {"MB_per_s": round(megabytes / middle, 2), "times_slower": round(middle / first, 2)}
        print(f"{title:<22} {name:<34} {megabytes / middle:>8.2f} MB/s  {middle / first:>7.2f} x the first's time")
    return {"megabytes": round(megabytes, 2), "sides": found, "answers": answers}


def peer(name: str) -> bool:
    """Return whether a peer is installed; if not, print a line."""
    try:
        __import__(name)
    except ImportError as missing:
        print(f"{name}: not installed, passed over ({missing})")
        return False
    return True


def filters(texts: list[str], rounds: int) -> dict[str, Any]:
    """Compare the filters: speed, and which documents each keeps.

    Both sides get the same words (split at spaces), the same sentences and the same marks at the end of a line.
    datatrove counts the sentences of each line, we count those of the text: c4 differs by that. A second pass on half
    of the documents uses datatrove's default words and sentences, which are those of spaCy.
    """

    def keep(judge: Filter, texts: Sequence[str] = texts) -> Side:
        def run() -> list[bool]:
            gone: Counter[str] = Counter()
            return [judge.reason(judge.trim(text, gone)) is None for text in texts]

        return run

    none = {"quality": None, "repetition": None, "c4": None, "fineweb": None}
    ours = {name: Web(**{**none, name: getattr(Web(), name)}) for name in none}
    found: dict[str, Any] = {"light": compete("light", size(texts), {"trivium": keep(Light())}, rounds)}
    theirs: dict[str, Any] = {}
    if peer("datatrove"):
        from datatrove.data import Document
        from datatrove.pipeline import filters as blocks
        from datatrove.utils.word_tokenizers import WordTokenizer

        class Spaces(WordTokenizer):
            def word_tokenize(self, text: str) -> list[str]:
                return text.split()

            def sent_tokenize(self, text: str) -> list[str]:
                return sentences.split(text, "en")

            def span_tokenize(self, text: str) -> list[tuple[int, int]]:
                return sentences.spans(text, "en")

        def made(**words: Any) -> dict[str, Any]:
            return {
                "quality": blocks.GopherQualityFilter(**words),
                "repetition": blocks.GopherRepetitionFilter(**words),
                "c4": blocks.C4QualityFilter(**words, filter_no_terminal_punct=False),
                "fineweb": blocks.FineWebQualityFilter(**words, stop_chars=END_MARKS),
            }

        theirs = made(language=Spaces())

        def block(*judges: Any, texts: Sequence[str] = texts) -> Side:
            def one(text: str) -> bool:
                document = Document(text=text, id="0")
                # A block answers with True, or with False and a reason.
                return all(judge.filter(document) is True for judge in judges)

            return lambda: [one(text) for text in texts]

    # The order is that of Web: lines are taken away first.
    order = ("c4", "quality", "repetition", "fineweb")
    for name, judge in [*ours.items(), ("web, all four", Web())]:
        sides = {"trivium": keep(judge)}
        if theirs:
            sides["datatrove"] = block(*(theirs[each] for each in (order if name.startswith("web") else (name,))))
        found[name] = compete(name, size(texts), sides, rounds)
        verdicts = found[name].pop("answers")
        kept = {side: sum(answer) for side, answer in verdicts.items()}
        found[name]["kept"] = kept
        if len(verdicts) == 2:
            pairs = list(zip(*verdicts.values(), strict=True))
            found[name]["same_decision"] = round(sum(a == b for a, b in pairs) / len(pairs), 4)
        print(f"{'':<22} kept {kept} of {len(texts)}, the same decision {found[name].get('same_decision', '-')}")
    found["light"].pop("answers")
    if theirs and peer("spacy"):
        own, half = made(), texts[::2]
        pair = {"trivium": keep(Web(), half), "datatrove": block(*(own[each] for each in order), texts=half)}
        name = "web, words of spaCy"
        found[name] = compete(name, size(half), pair, 1)
        found[name]["kept"] = {side: sum(answer) for side, answer in found[name].pop("answers").items()}
    return found


def near(texts: list[str], rounds: int) -> dict[str, Any]:
    """Compare near duplicates, from texts to the list of dropped documents; 14 bands of 8 rows, shingles of 5 words."""

    def ours() -> set[int]:
        plain = list(map(normal, texts))
        signed = [signatures(plain[at : at + 256], Near()) for at in range(0, len(plain), 256)]
        bands, known = (np.concatenate(column) for column in zip(*signed, strict=True))
        first, _ = alike(pairs(list(map(digest, plain))), known, iter(bands.T))
        return set(np.flatnonzero(first >= 0).tolist())

    sides: dict[str, Side] = {"trivium": ours}
    if peer("datatrove"):
        import re

        import xxhash
        from datatrove.data import Document
        from datatrove.pipeline import dedup
        from datatrove.pipeline.dedup.minhash import MinhashConfig
        from datatrove.utils.word_tokenizers import WordTokenizer

        class Words(WordTokenizer):
            def word_tokenize(self, text: str) -> list[str]:
                return re.findall(r"\w+", text)

            def sent_tokenize(self, text: str) -> list[str]:
                return [text]

            def span_tokenize(self, text: str) -> list[tuple[int, int]]:
                return [(0, len(text))]

        config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)

        def stages() -> set[int]:
            root = tempfile.mkdtemp()
            documents = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]
            words: Any = Words()
            first = dedup.MinhashDedupSignature(f"{root}/s", config=config, language=words)
            # Its own call hands a str to xxhash, which newer versions refuse.
            first._hash_func = lambda shingle: xxhash.xxh64_intdigest(shingle.encode())
            first.run(iter(documents), 0, 1)
            for bucket in range(14):
                dedup.MinhashDedupBuckets(f"{root}/s", f"{root}/b", config=config).run(None, bucket, 14)
            dedup.MinhashDedupCluster(f"{root}/b", f"{root}/r", config=config).run(None, 0, 1)
            kept = {int(d.id) for d in dedup.MinhashDedupFilter(f"{root}/r").run(iter(documents), 0, 1)}
            shutil.rmtree(root)
            return set(range(len(texts))) - kept

        sides["datatrove, words of a regex"] = stages
    found = compete("near duplicates", size(texts), sides, rounds)
    answers = found.pop("answers")
    found["dropped"] = {name: len(answer) for name, answer in answers.items()}
    if len(answers) == 2:
        one, two = answers.values()
        found["same_decision"] = round(1 - len(one ^ two) / len(texts), 4)
    print(f"{'':<22} dropped {found['dropped']} of {len(texts)}, the same decision {found.get('same_decision', '-')}")
    return found


def encode(texts: list[str], tokenizer: Tokenizer, rounds: int) -> dict[str, Any]:
    """Compare three encoders of one tokenizer, from a list of texts to ids."""
    sides: dict[str, Side] = {
        "trivium": lambda: tokenizer.encode_batch(texts)[0],
        "tokenizers, encode_batch_fast": lambda: [
            i for e in tokenizer._hf.encode_batch_fast(texts, add_special_tokens=False) for i in e.ids
        ],
    }
    if peer("tiktoken"):
        import tiktoken

        ranks = {piece: i for i, piece in enumerate(tokenizer.pieces) if i not in tokenizer.special}
        theirs = tiktoken.Encoding("same", pat_str=SPLIT, mergeable_ranks=ranks, special_tokens={})
        sides["tiktoken"] = lambda: [i for text in texts for i in theirs.encode_ordinary(text)]
    found = compete("encode", size(texts), sides, rounds)
    answers = [np.asarray(answer) for answer in found.pop("answers").values()]
    found["identical_ids"] = all(np.array_equal(answers[0], other) for other in answers[1:])
    print(f"{'':<22} identical ids: {found['identical_ids']}, {len(answers[0]):,} tokens")
    return found


def split(texts: list[str], rounds: int) -> dict[str, Any]:
    """Compare sentence splitting, on the first quarter megabyte: the peer is slow."""
    total, few = 0, []
    for text in texts:
        few.append(text[:20_000])
        total += len(few[-1])
        if total > 250_000:
            break
    language = "zh" if guess("".join(few)) == "zh" else "en"
    sides: dict[str, Side] = {"trivium (sentencex)": lambda: sum(len(sentences.spans(text, language)) for text in few)}
    if peer("pysbd"):
        import pysbd

        theirs = pysbd.Segmenter(language=language, clean=False)
        sides["pysbd"] = lambda: sum(len(theirs.segment(text)) for text in few)
    found = compete(f"sentences, {language}", size(few), sides, rounds)
    found["sentences"] = found.pop("answers")
    print(f"{'':<22} {found['sentences']}")
    return found


def cropped(lengths: np.ndarray, room: int, buffer: int = 1000) -> float:
    """Return the share of tokens that nanochat's packing loses: best fit from a buffer, and a crop if nothing fits."""
    left = list(map(int, lengths))
    held, lost = sorted(left[:buffer]), 0
    rest = iter(left[buffer:])
    while held:
        space = room
        while space and held:
            fits = np.searchsorted(held, space, side="right")
            taken = held.pop(int(fits) - 1) if fits else held.pop(0)
            lost += max(0, taken - space)
            space = max(0, space - taken)
            if (new := next(rest, None)) is not None:
                held.insert(int(np.searchsorted(held, new)), new)
    return lost / max(1, int(lengths.sum()))


def packing(lengths: np.ndarray) -> dict[str, Any]:
    """Compare what three ways of packing pad, cut and lose; documents have BOS and EOS."""
    framed = lengths + 2
    found: dict[str, Any] = {"documents": len(framed), "row": LENGTH}
    for name, plan in (("bestfit", best_fit(framed, LENGTH)), ("concat", concat(framed, LENGTH))):
        lost = int(framed.sum()) - plan.tokens
        could = int(((framed <= LENGTH) & (np.bincount(plan.document, minlength=len(framed)) > 1)).sum())
        found[name] = {"empty": round(plan.waste, 5), "lost": lost, "cut": plan.cut, "cut_that_would_fit": could}
        print(
            f"{'packing':<22} {name:<20} {plan.waste:.3%} empty, {lost} tokens lost, {plan.cut:,} documents cut, "
            f"{could:,} of them would fit a row"
        )
    found["crop"] = {"lost_share": round(cropped(framed, LENGTH), 5)}
    print(f"{'packing':<22} {'nanochat-style crop':<20} {found['crop']['lost_share']:.3%} of tokens lost")
    return found


def loading(folder: Path, rounds: int) -> dict[str, Any]:
    """Compare loaders: batches of 16 rows of 1,024, ours with documents, positions and targets.

    The peers are a DataLoader of bare ids, and one that gives the same as ours from a file in which every document
    already has its BOS and EOS; it cuts documents at the end of a row.
    """
    import torch

    from trivium.data.loader import Loader
    from trivium.data.rows import DocumentRows
    from trivium.objective.causal import CausalLM

    corpus = Corpus(folder, "train")
    tokenizer = Tokenizer.load(folder / "tokenizer")
    rows = DocumentRows(corpus, CausalLM(), tokenizer.vocabulary, LENGTH)
    flat = np.memmap(folder / "train-00000.tok", dtype="<u2", mode="r")
    count = (len(flat) - 1) // LENGTH

    class Chunks(torch.utils.data.Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return count

        def __getitem__(self, at: int) -> torch.Tensor:
            return torch.from_numpy(flat[at * LENGTH : at * LENGTH + LENGTH + 1].astype(np.int64))

    bos, eos = tokenizer.vocabulary.bos, tokenizer.vocabulary.eos
    framed = np.concatenate([np.array([bos, *document, eos], "<u2") for document in corpus.documents()])
    places = np.arange(LENGTH)

    class Whole(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
        def __len__(self) -> int:
            return (len(framed) - 1) // LENGTH

        def __getitem__(self, at: int) -> dict[str, torch.Tensor]:
            ids = framed[at * LENGTH : at * LENGTH + LENGTH + 1].astype(np.int64)
            first = ids == bos
            row = {
                "input_ids": ids[:-1],
                "labels": np.where(first[1:], -100, ids[1:]),
                "position_ids": places - np.maximum.accumulate(np.where(first[:-1], places, 0)),
                "documents": 1 + np.cumsum(first[:-1]),
            }
            return {key: torch.from_numpy(value) for key, value in row.items()}

    steps = count // 16

    def ours() -> int:
        loader = Loader(rows, 16, 16, tokenizer.vocabulary.pad)
        return sum(batch.dec.ids.size for step in loader.stream(0, steps) for batch in step)

    def plain() -> int:
        loader = torch.utils.data.DataLoader(Chunks(), 16, shuffle=True, drop_last=True)
        return sum((batch.numel() - len(batch)) for batch in loader)

    def whole() -> int:
        loader = torch.utils.data.DataLoader(Whole(), 16, shuffle=True, drop_last=True)
        return sum(batch["input_ids"].numel() for batch in loader)

    sides: dict[str, Side] = {"trivium": ours, "DataLoader, ids alone": plain, "DataLoader, with documents": whole}
    found = compete("loader", steps * 16 * LENGTH / 1e6, sides, rounds)
    print(f"{'':<22} (here MB/s are millions of tokens a second)")
    found.pop("answers")
    return found


def whole(sources: list[str]) -> dict[str, Any]:
    """Measure `trivium prepare` as a command, in wall time: with a tokenizer to train, and with a given one."""
    found: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp())
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    for name, options in (("trained", []), ("given", ["--tokenizer", str(folder / "trained" / "tokenizer")])):
        command = [sys.executable, "-m", "trivium", "prepare", *sources, "-o", str(folder / name), *options]
        begin = time.perf_counter()
        subprocess.run(command, check=True, env=free, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - begin
        report = read_json(folder / name / "manifest.json")["report"]["steps"]
        megabytes = next(step["bytes_in"] for step in report if "bytes_in" in step) / 1e6
        steps = {step["step"]: step.get("seconds") for step in report}
        print(
            f"{'whole prepare':<22} tokenizer {name}: {megabytes:.1f} MB in {seconds:.1f} s, "
            f"{megabytes / seconds:.2f} MB/s; {steps}"
        )
        found[name] = {
            "megabytes": round(megabytes, 1),
            "seconds": round(seconds, 1),
            "MB_per_s": round(megabytes / seconds, 2),
            "steps": steps,
        }
    shutil.rmtree(folder)
    return found


def rows_of(folder: Path, rounds: int) -> dict[str, Any]:
    """Measure what packing loses, and how fast rows are read."""
    return {"packing": packing(Corpus(folder, "train").lengths), "loader": loading(folder, rounds)}


def steps(texts: list[str], rounds: int) -> dict[str, Any]:
    """Measure our other stages, which have no peer."""
    found = {}
    for name, step in {"clean": clean, "identify": identify}.items():
        found[name] = compete(name, size(texts), {"trivium": lambda step=step: [step(t) for t in texts]}, rounds)  # type: ignore[misc]
        found[name].pop("answers")
    return found


def folder_of(texts: list[str], tokenizer: Tokenizer) -> Iterator[Path]:
    """Make a temporary data folder of these texts."""
    root = Path(tempfile.mkdtemp())
    flat, offsets = tokenizer.encode_batch(texts)
    with ShardWriter(root, "train-00000", tokenizer.size) as shard:
        shard.add(flat, offsets, int(size(texts) * 1e6))
    tokenizer.save(root / "tokenizer")
    write_json(
        root / "manifest.json",
        {
            "format": 1,
            "dtype": "<u2",
            "vocab_size": tokenizer.size,
            "tokenizer": tokenizer.identity,
            "splits": {"train": [shard.line]},
            "inputs_hash": "",
            "dataset_id": "bench",
        },
    )
    yield root
    shutil.rmtree(root)


def main() -> None:
    """Measure everything, print it and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", default=["embedded"])
    parser.add_argument("--megabytes", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=[])
    parser.add_argument("--whole", nargs="*", default=[])
    parser.add_argument("--only", nargs="*", help="measure only these parts; the others keep their stored results")
    options = parser.parse_args()
    sys.path += options.peers
    texts = gather(options.sources, options.megabytes)
    spaced = [text for text in texts if guess(text) not in UNSPACED]
    other = [text for text in texts if guess(text) in UNSPACED]
    print(
        f"{len(texts):,} documents, {size(texts):.1f} MB, {size(other):.1f} of them in scripts without spaces; "
        f"load of the machine {os.getloadavg()[0]:.1f}"
    )
    tokenizer = Tokenizer.train(texts, 8192)
    path = Path(__file__).parent / "results" / "data.json"
    found: dict[str, Any] = read_json(path) if options.only and path.exists() else {}
    parts: dict[str, Side] = {
        "steps": lambda: steps(texts, options.rounds),
        "filters": lambda: filters(spaced, options.rounds),
        "near": lambda: near(spaced, options.rounds),
        "encode": lambda: encode(texts, tokenizer, options.rounds),
        "sentences": lambda: [split(part, options.rounds) for part in (spaced, other) if part],
        "rows": lambda: [rows_of(folder, options.rounds) for folder in folder_of(texts, tokenizer)],
        "whole": lambda: whole(options.whole) if options.whole else {},
    }
    for name, part in parts.items():
        if not options.only or name in options.only:
            found[name] = part()
            found["peak_memory_MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            found["date"], found["machine"] = date.today().isoformat(), machine()
            write_json(path, found)


def machine() -> str:
    """Return the machine and the versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
