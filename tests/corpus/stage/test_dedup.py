"""The decisions of the reduce are those of the plain function, whatever the shards and the order."""

import json

import numpy as np
import pytest

from plain import duplicates
from trivium.corpus.dropped import Dropped
from trivium.corpus.duplicates.signature import Near
from trivium.corpus.prepare import Preparation, prepare
from trivium.corpus.read.sources import read
from trivium.corpus.stage.dedup import kept
from trivium.corpus.work import Work

WORDS = [f"word{number}" for number in range(14)]


def texts(count=60, seed=3):
    """Texts of which some are the same, some nearly so, and some of these only through others."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        words = rng.choice(WORDS, 80).tolist()
        if number % 3 and made:
            words = made[int(rng.integers(len(made)))].split()
            if number % 3 == 2:
                words[int(rng.integers(80))] = "changed"
        made.append(" ".join(words))
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    for file in range(4):
        rows = "".join(json.dumps({"text": text}) + "\n" for text in texts()[file::4])
        (folder / f"{file}.jsonl").write_text(rows)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("shards", [1, 3])
def test_decisions_are_those_of_the_plain_function(files, tmp_path, shards):
    options = Preparation(tokenizer="bytes", shards=shards)
    manifest = prepare(files[::-1] if shards == 3 else files, tmp_path / "data", options)
    wanted = duplicates((((d.source, d.id), d.text) for d in read(files)), Near())
    work, dropped = Work(tmp_path / "data"), Dropped()
    found = {(d.source, d.id) for shard in range(shards) for _, _, d in kept(work, shard, dropped)}
    assert {(d.source, d.id) for d in read(files)} - found == set(wanted)
    reasons = [" ".join(why.split()[:2]) for why in wanted.values()]
    assert manifest["report"]["dropped"] == {reason: reasons.count(reason) for reason in set(reasons)}
    assert len(set(reasons)) == 2 and len(wanted) > 20
    details = {one["detail"] for some in dropped.examples.values() for one in some}
    assert details <= set(wanted.values())


@pytest.mark.parametrize("shards", [1, 2])
def test_a_document_of_repeated_paragraphs_alone_goes(tmp_path, shards):
    notice = "This notice stands at the end of every page and says the same on each of them, at length." * 2
    for name, text in (
        ("a", f"Its own words stand here first.\n\n{notice}"),
        ("b", notice),
        ("c", f"{notice}\n\nMore of it."),
    ):
        (tmp_path / f"{name}.txt").write_text(text)
    options = Preparation(tokenizer="bytes", near=None, paragraphs=True, shards=shards, valid_share=0.0)
    report = prepare([tmp_path / f"{name}.txt" for name in "abc"], tmp_path / "data", options)["report"]
    assert report["dropped"] == {"all paragraphs repeated": 1}
    left = [d.text for shard in range(shards) for _, _, d in kept(Work(tmp_path / "data"), shard, Dropped())]
    assert sorted(left) == sorted([f"Its own words stand here first.\n\n{notice}", "More of it."])
