"""What the tokenizer learns from is bounded and drawn by place; ids follow the decisions."""

import json

from trivium.data.dropped import Dropped
from trivium.data.encode import _sample, kept, made
from trivium.data.plan import Work
from trivium.data.prepare import Preparation, prepare
from trivium.data.shards import Corpus


def write(folder, count=200):
    folder.mkdir()
    for file in range(4):
        texts = [
            f"Text {file}-{row} has words such as these, and some numbers: {file * row}." for row in range(count // 4)
        ]
        (folder / f"{file}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return folder


def test_the_tokenizer_learns_from_a_part_of_the_training_text_whatever_the_shards(tmp_path):
    source, samples = write(tmp_path / "t"), []
    for shards in (1, 3):
        options = Preparation(tokenizer="bytes", near=None, tokenizer_bytes=4000, shards=shards)
        manifest = prepare([source], tmp_path / f"{shards}", options)
        samples.append(sorted(_sample(Work(tmp_path / f"{shards}"))))
    assert samples[0] == samples[1] and 2500 < sum(map(len, samples[0])) < 5500
    size = sum(line["bytes"] for line in manifest["splits"]["train"])
    assert size > 10000 and "text_bytes" not in manifest["report"]["steps"][-3], "nothing was trained"
    split = {d.text: split for shard in range(3) for split, _, d in kept(Work(tmp_path / "3"), shard, Dropped())}
    assert {split[text] for text in samples[0]} == {"train"} and set(split.values()) == {"train", "valid"}


def test_ids_are_those_of_the_documents_in_order(tmp_path):
    manifest = prepare(
        [write(tmp_path / "t")], tmp_path / "d", Preparation(vocab_size=448, shards=2, tokenizer_bytes=9000)
    )
    assert manifest["report"]["steps"][-3]["text_bytes"] == 9000
    work = Work(tmp_path / "d")
    for split in ("train", "valid"):
        documents = [d for shard in range(2) for s, _, d in kept(work, shard, Dropped()) if s == split]
        corpus = Corpus(tmp_path / "d", split)
        assert [made(work).decode(ids.tolist()) for ids in corpus.documents()] == [d.text for d in documents]
        assert [corpus.address(at) for at in range(len(corpus))] == [(d.source, d.id) for d in documents]
