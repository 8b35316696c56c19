"""Ids follow the decisions."""

import json

from trivium.corpus.dropped import Dropped
from trivium.corpus.prepare import Preparation, prepare
from trivium.corpus.stage.dedup import kept
from trivium.corpus.stage.tokenizer import load_tokenizer
from trivium.corpus.work import Work
from trivium.data.shards import Corpus


def write(folder, count=200):
    folder.mkdir()
    for file in range(4):
        texts = [
            f"Text {file}-{row} has words such as these, and some numbers: {file * row}." for row in range(count // 4)
        ]
        (folder / f"{file}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return folder


def test_ids_are_those_of_the_documents_in_order(tmp_path):
    manifest = prepare(
        [write(tmp_path / "t")], tmp_path / "d", Preparation(vocab_size=384, shards=2, tokenizer_bytes=9000)
    )
    assert manifest["report"]["steps"][-3]["text_bytes"] == 9000
    work = Work(tmp_path / "d")
    for split in ("train", "valid"):
        documents = [d for shard in range(2) for s, _, d in kept(work, shard, Dropped()) if s == split]
        corpus = Corpus(tmp_path / "d", split)
        assert [load_tokenizer(work).decode(ids.tolist()) for ids in corpus.documents()] == [d.text for d in documents]
        assert [corpus.address(at) for at in range(len(corpus))] == [(d.source, d.id) for d in documents]
