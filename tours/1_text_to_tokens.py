"""Tour 1: raw text to packed rows of ids. Run it: python tours/1_text_to_tokens.py

The tour reads one small web page in bytes, cleans it, splits it into sentences, filters it, compares it with others,
tokenizes it and packs it. Each step calls the same functions as `trivium prepare` and the loader.
"""

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from trivium.base.batch import collate
from trivium.base.files import write_json
from trivium.corpus.clean import sentences
from trivium.corpus.clean.clean import clean
from trivium.corpus.clean.filter import Light
from trivium.corpus.clean.language import guess, identify
from trivium.corpus.clean.web import Web
from trivium.corpus.duplicates.cluster import alike, digest, pairs, why
from trivium.corpus.duplicates.shingle import normal
from trivium.corpus.duplicates.signature import Near, signatures
from trivium.corpus.read.reading import Reading
from trivium.corpus.read.sources import read
from trivium.data.pack import best_fit, concat
from trivium.data.rows import DocumentRows
from trivium.data.shards import Corpus, ShardWriter
from trivium.objective.causal import CausalLM
from trivium.token.tokenizer import Tokenizer

RAW = (
    "---\ntitle: The heron\n---\n"
    "The grey heron waits.  It stands in shallow water for an hour, e.g. near a weir, and doesnâ€™t move.\r\n"
    "\x07Then it strikes: the neck uncoils, the bill closes, and the fish is gone.\r\n\r\n\r\n\r\n"
    "Share this page\r\nShare this page\r\nShare this page\r\nShare this page\r\n"
    "苍鹭站在水边。它等了一个小时，然后出击！"
)
LENGTH = 32


def title(number: int, what: str) -> None:
    """Print the heading of a step."""
    print(f"\n{number}. {what}\n{'-' * (len(what) + 3)}")


def shown(ids: list[int] | np.ndarray) -> str:
    """Return the tokens of ids, separated by bars."""
    return "|".join(tokenizer.token(int(i)).replace("\n", "\\n") for i in ids)


folder = Path(tempfile.mkdtemp())

title(1, "Read: bytes become text")
(folder / "heron.txt").write_bytes(RAW.encode("utf-16"))
counts: Counter[str] = Counter()
(document,) = read([folder / "heron.txt"], Reading(), counts)
print(f"{len(RAW.encode('utf-16'))} bytes, {len(document.text)} characters; {dict(counts)}")
print(repr(document.text[:130]))

title(2, "Clean: repair broken characters, remove what no author wrote")
counts.clear()
text = clean(document.text, counts=counts)
print(text)
for reason, count in counts.items():
    print(f"   {count} x {reason}")

title(3, "Sentences: spans that join to the text again")
language = identify(text)
spans = sentences.spans(text, guess(text))
for start, end in spans:
    print(f"   {start:>4} to {end:<4} {text[start:end]!r}")
assert "".join(text[start:end] for start, end in spans) == text
print(f"   language by script: {guess(text)!r}; by the language model: {language!r}")

title(4, "Filter: which documents to keep")
for name, judge in (("light", Light()), ("web", Web())):
    for what, sample in (
        ("our page", text),
        ("a menu", "Home\nAbout\nHelp\n" * 4),
        ("noise", "%$ 0x3f @@ ## 12 | 13 | 14"),
    ):
        print(f"   {name:<6} {what:<9} {judge.reason(sample) or 'keep'}")

title(5, "Dedup: drop exact and near duplicates")
words = "the heron waits in the water while rain falls on the river and nobody on the bridge looks down at it"
story = [f"{word} {number}" for number in range(6) for word in words.split()]
changed = story.copy()
changed[40] = "suddenly"
others = {"copy.txt": text.upper(), "story.txt": " ".join(story), "edited.txt": " ".join(changed), "heron.txt": text}
names = sorted(others)
texts = [normal(others[name]) for name in names]
bands, signed = signatures(texts, Near())
kept_for, near_to = alike(pairs([digest(each) for each in texts]), signed, bands.T)
for name, first, near in zip(names, kept_for, near_to, strict=True):
    print(f"   {name:<11} {'keep' if first < 0 else why(names[first], names[near] if near >= 0 else None)}")

title(6, "Tokenizer: byte-level BPE merges the most frequent pairs")
corpus = [text] * 8 + [" ".join(story)] * 4
tokenizer = Tokenizer.train(corpus, 448)
merges = [tokenizer.token(index) for index in range(tokenizer.size - 64, tokenizer.size)]
print("   the first merges:", " ".join(repr(piece) for piece in merges[:14]))
sentence = text[spans[0][0] : spans[0][1]]
ids = tokenizer.encode(sentence)
print(f"   {sentence!r}\n   {ids}\n   {shown(ids)}")
assert tokenizer.decode(ids) == sentence
typed = tokenizer.encode("</s>")
print(f"   the text '</s>' becomes {shown(typed)}, never the control id {tokenizer.id_of('</s>')}")

title(7, "Encode: one array of ids, and the offset of each document")
documents = [
    text[spans[2][0] : spans[2][1]].strip(),
    "The heron waits.",
    "The fish is gone.",
    "It waits for an hour.",
    "It moves.",
]
flat, offsets = tokenizer.encode_batch(documents)
print(f"   {len(documents)} documents, {len(flat)} ids, vocabulary of {tokenizer.size}: uint16 in the shard")
print("   offsets", offsets.tolist())

title(8, f"Pack: plan which documents share a row of {LENGTH} tokens")
lengths = np.diff(offsets.astype(np.int64)) + 2
for plan_name, planner in (("bestfit", best_fit), ("concat", concat)):
    plan = planner(lengths, LENGTH)
    rows = [plan.length[a:b].tolist() for a, b in zip(plan.rows[:-1], plan.rows[1:], strict=True)]
    print(f"   {plan_name:<8} pieces {rows}  cut {plan.cut}, padding {plan.waste:.0%}")

title(9, "Rows: add BOS and EOS, restart positions, number the documents")
vocabulary = tokenizer.vocabulary
with ShardWriter(folder, "train-00000", tokenizer.size) as shard:
    shard.add(flat, offsets, sum(len(d.encode()) for d in documents))
manifest = {
    "format": 1,
    "dtype": "<u2",
    "vocab_size": tokenizer.size,
    "tokenizer": tokenizer.identity,
    "splits": {"train": [shard.line]},
    "inputs_hash": "",
    "dataset_id": "tour",
}
write_json(folder / "manifest.json", manifest)
packed = DocumentRows(Corpus(folder, "train"), CausalLM(), vocabulary, LENGTH)
most = max(range(packed.size(0)), key=lambda row: len(packed.row(0, row)))
batch = collate([packed.row(0, most)], vocabulary.pad, LENGTH)
stream, targets = batch.dec, batch.targets["token"]
print(f"   {'token':<12} {'id':>4} {'position':>8} {'document':>8}   target")
for token, position, document_number, target in zip(
    stream.ids[0].tolist(), stream.positions[0].tolist(), stream.documents[0].tolist(), targets[0].tolist(), strict=True
):
    wanted = shown([target]) if target >= 0 else "(nothing)"
    print(f"   {shown([token])!r:<12} {token:>4} {position:>8} {document_number:>8}   {wanted!r}")
print("\nDocuments never see each other: every mask is made from the column `document`. Tour 2 shows the masks.")
