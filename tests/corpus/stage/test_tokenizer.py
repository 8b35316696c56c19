"""What the tokenizer learns from is bounded and drawn by place."""

import json

from trivium.corpus.dropped import Dropped
from trivium.corpus.prepare import Preparation, prepare
from trivium.corpus.stage.dedup import kept
from trivium.corpus.stage.tokenizer import _sample
from trivium.corpus.work import Work


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
