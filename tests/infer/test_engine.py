"""The engine: rows join and leave, prefixes are read once, and in exact mode neighbours change no bit."""

import random
from collections import defaultdict

import pytest
import torch
from torch import Tensor

import tiny
from trivium.base.errors import ConfigError
from trivium.infer.engine import ALONE, InferenceEngine
from trivium.infer.row import Row
from trivium.infer.sampling import Sampling
from trivium.model.transformer import Transformer

V = 97
BIG = 1 << 30
MODELS = {
    "grouped": {"preset": "llama", "kv_heads": 2},
    "window": {"preset": "llama", "pattern": [{"kind": "window", "size": 9}, "causal"]},
    "bias": {"preset": "llama", "position": "alibi", "softcap": 20.0},
    "gpt2": {"preset": "gpt2"},
    "t5": {"preset": "t5"},
}
PREFIX = {"preset": "llama", "pattern": "prefix"}


def rows(transformer: Transformer, count: int, seed: int = 0) -> list[Row]:
    """Rows of all kinds: short and long, greedy and sampled, many with a common beginning."""
    draw = random.Random(seed)
    shared = [[draw.randrange(V) for _ in range(60)] for _ in range(3)]
    made = []
    for number in range(count):
        ids = draw.choice(shared)[: draw.randrange(60)] + [draw.randrange(V) for _ in range(draw.randrange(1, 40))]
        sampling = Sampling(temperature=draw.choice([0.0, 1.0]), top_p=0.9, seed=number)
        source = None
        if transformer.config.encoder is not None:
            ids, source = ids[:2], ids
        generator = sampling.generators(1)[0]
        made.append(Row(ids, source, sampling, generator, draw.randrange(1, 12), limit=transformer.config.limit))
    return made


class Watched(InferenceEngine):
    """An engine that keeps the logits from which the ids of each row were chosen."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.states: dict[int, list[bytes]] = defaultdict(list)

    def _choose(self, rows: list[Row], logits: Tensor) -> list[int]:
        for row, line in zip(rows, logits, strict=True):
            self.states[id(row)].append(line.numpy().tobytes())
        return super()._choose(rows, logits)


def run(engine: Watched, some: list[Row]) -> list[tuple[list[int], list[bytes]]]:
    for row in some:
        engine.submit(row)
    while engine.busy:
        engine.step()
    return [(row.ids, engine.states[id(row)]) for row in some]


@pytest.mark.parametrize("name", MODELS)
def test_in_exact_mode_no_bit_depends_on_neighbours_pieces_or_prefixes(name: str) -> None:
    transformer, count = tiny.lively(**MODELS[name]), 24
    alone = [run(Watched(transformer, exact=True), [row])[0] for row in rows(transformer, count)]
    assert run(Watched(transformer, memory=BIG, exact=True, chunk=23), rows(transformer, count)) == alone
    warm = Watched(transformer, memory=BIG, exact=True)
    for _ in range(2):
        assert [run(warm, [row])[0] for row in rows(transformer, count)] == alone


@pytest.mark.parametrize("name", MODELS)
def test_the_exact_mode_chooses_what_the_fast_one_does(name: str) -> None:
    """The last bits differ, and no greedy choice of these models hangs on them."""
    transformer = tiny.lively(**MODELS[name])
    for fast, exact in zip(rows(transformer, 8), rows(transformer, 8), strict=True):
        if fast.sampling.temperature == 0:
            assert run(Watched(transformer), [fast])[0][0] == run(Watched(transformer, exact=True), [exact])[0][0]


def test_penalties_count_the_ids_of_the_text_alone_whoever_writes_beside_it() -> None:
    transformer, way = tiny.lively(), Sampling(frequency_penalty=2.0, presence_penalty=2.0)
    prompts = [[5, 6, 7, 5, 6, 7, 5], [*range(V)] * 2]
    alone = [Row(ids, None, way, torch.Generator(), 40) for ids in prompts]
    late = [Row(ids, None, way, torch.Generator(), 40) for ids in prompts]
    for row in alone:
        run(Watched(transformer), [row])
    engine = Watched(transformer)
    engine.submit(late[0])
    while len(late[0].ids) < 9:
        engine.step()
    run(engine, [late[1]])
    assert [row.ids for row in late] == [row.ids for row in alone]


def test_a_prefix_is_read_once() -> None:
    transformer = tiny.lively()
    engine = Watched(transformer, memory=BIG)
    greedy = Sampling()
    first = Row(list(range(50)), None, greedy, torch.Generator(), 8)
    run(engine, [first])
    again = Row([*first.text, 3, 4], None, greedy, torch.Generator(), 4)
    engine.submit(again)
    engine.step()
    assert again.hit == 57, "all but the last id, which nobody has read"
    fresh = Row(again.prompt, None, greedy, torch.Generator(), 4)
    assert run(Watched(transformer), [fresh])[0][0][:1] == again.ids[:1]


def test_a_row_that_is_cancelled_leaves_and_its_prefix_stays() -> None:
    transformer = tiny.lively()
    engine = Watched(transformer, memory=BIG)
    some = rows(transformer, 3)
    for row in some:
        engine.submit(row)
    engine.step()
    engine.cancel(some[1])
    done = len(some[1].ids)
    engine.step()
    assert some[1] not in engine.running and len(some[1].ids) == done and some[1].reason == "cancelled"
    assert some[1] in engine.memory.prefixes


def test_a_long_prompt_does_not_stop_the_others() -> None:
    transformer = tiny.lively()
    engine = Watched(transformer, chunk=16)
    short = Row([1, 2], None, Sampling(), torch.Generator(), 30)
    engine.submit(short)
    engine.step()
    engine.submit(Row([5] * 200, None, Sampling(), torch.Generator(), 2))
    for made in range(2, 10):
        engine.step()
        assert len(short.ids) == made


def test_prompts_that_are_read_as_a_prefix_are_read_at_once() -> None:
    transformer = tiny.lively(**PREFIX)
    alone = [run(Watched(transformer), [row])[0][0] for row in rows(transformer, 6)]
    beside = [ids for ids, _ in run(Watched(transformer, memory=BIG, chunk=7), rows(transformer, 6))]
    assert beside == alone
    with pytest.raises(ConfigError, match="reads a prompt at once"):
        Watched(transformer, exact=True)


def test_while_no_row_writes_a_step_reads_more() -> None:
    engine = Watched(tiny.lively(), chunk=16)
    long = Row([5] * 100, None, Sampling(), torch.Generator(), 2)
    engine.submit(long)
    engine.step()
    assert long.read == ALONE * 16
