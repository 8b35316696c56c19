"""Every objective, from the documents of a corpus to a model of its family that learns."""

import numpy as np
import pytest
import torch

import tiny
from trivium.base.batch import collate
from trivium.base.types import IGNORE, Example
from trivium.data.rows import DocumentRows
from trivium.data.shards import Corpus
from trivium.infer.generate import generate
from trivium.infer.request import Request
from trivium.model.device import place
from trivium.objective.objective import Objective
from trivium.train.loss.token import TokenLoss

PAIRS = [
    ("gpt2", {"kind": "causal"}),
    ("llama", {"kind": "prefix"}),
    ("llama", {"kind": "denoise", "decoder": True}),
    ("bert", {"kind": "masked"}),
    ("roberta", {"kind": "masked", "words": True}),
    ("modernbert", {"kind": "masked", "rate": 0.3}),
    ("t5", {"kind": "denoise"}),
    ("bart", {"kind": "infill"}),
    ("mbart", {"kind": "infill", "language": 65}),
    ("t5-v1.1", {"kind": "infill", "start": "pad"}),
]
LENGTHS = [40, 7, 63, 18, 1, 25, 90, 11, 33, 52, 14, 29, 71] * 2


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    return Corpus(tiny.write_corpus(tmp_path_factory.mktemp("corpus"), tiny.documents(LENGTHS), vocab_size=96), "train")


def rows(corpus: Corpus, objective: Objective) -> DocumentRows:
    return DocumentRows(corpus, objective, tiny.MARKED, length=32, seed=3)


@pytest.mark.parametrize(("preset", "tree"), PAIRS, ids=str)
def test_a_family_learns_its_objective(preset: str, tree: dict, corpus: Corpus) -> None:
    objective = Objective.parse(tree)
    model = tiny.model(preset, tree={"vocab_size": 96})
    objective.fits(model.config.family)
    loader = tiny.loader(rows(corpus, objective), step_rows=8, micro_rows=8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for step in range(25):
        for batch in map(place, loader.step(step)):
            total, each, _ = TokenLoss()(model.head, model(batch), batch)
            optimizer.zero_grad()
            (total / max(1, len(each))).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(float(total.detach()) / max(1, len(each)))
    assert np.mean(losses[-4:]) < losses[0] - 0.3


@pytest.mark.parametrize("tree", [tree for _, tree in PAIRS], ids=str)
def test_rows_are_a_function_of_seed_epoch_and_index(tree: dict, corpus: Corpus) -> None:
    def flat(examples: list[Example]) -> list[int]:
        return [
            int(i) for e in examples for side in (e.enc, e.dec, e.targets["token"]) if side is not None for i in side
        ]

    made, again = rows(corpus, Objective.parse(tree)), rows(corpus, Objective.parse(tree))
    same = [flat(made.row(0, index)) == flat(again.row(0, index)) for index in range(made.size(0))]
    next_epoch = [flat(made.row(0, index)) == flat(made.row(1, index)) for index in range(made.size(0))]
    assert all(same) and (tree["kind"] == "causal") == all(next_epoch)


@pytest.mark.parametrize("tree", [tree for _, tree in PAIRS], ids=str)
def test_targets_are_aligned_and_rows_fit(tree: dict, corpus: Corpus) -> None:
    made = rows(corpus, Objective.parse(tree))
    for index in range(made.size(0)):
        row = made.row(0, index)
        assert all(len(e.targets["token"]) == len(e) for e in row)
        # Every piece of a span corruption has an EOS and a sentinel of its own, on each side.
        room = 32 + (4 * len(row) if tree["kind"] == "denoise" else 0)
        assert sum(len(e.enc if e.enc is not None else e.dec) for e in row) <= room


def test_the_source_of_an_encoder_decoder_fills_the_row(corpus: Corpus) -> None:
    batch = tiny.loader(rows(corpus, Objective.parse("denoise"))).step(0)[0]
    assert 32 <= batch.enc.ids.shape[1] <= 40 and batch.dec.ids.shape[1] <= 24
    assert batch.targets["token"].shape == batch.dec.ids.shape and (batch.targets["token"] != IGNORE).any()


def test_a_prompt_is_read_as_the_prefix_that_training_marks() -> None:
    model = tiny.model("llama", pattern="prefix").eval()
    prompts = [[5, 6, 7, 8, 9], [11, 12]]
    found = generate(model, Request(prompts, max_new_tokens=6))
    for prompt, completion in zip(prompts, found, strict=True):
        ids = list(prompt)
        for _ in range(6):
            with torch.no_grad():
                batch = place(collate([[Example(dec=np.array(ids), prefix=len(prompt))]], pad=0))
                ids.append(int(model.logits(model(batch))[0, -1].argmax()))
        assert completion.ids == ids[len(prompt) :]
    causal = place(collate([[Example(dec=np.array(prompts[0]))]], pad=0))
    both = place(collate([[Example(dec=np.array(prompts[0]), prefix=5)]], pad=0))
    with torch.no_grad():
        assert not torch.allclose(model(causal)[0, 0], model(both)[0, 0])
