"""Generation: the cache changes nothing, the rows beside a row change nothing, and it ends where it should."""

import pytest
import torch

import tiny
import trivium
from trivium.base.batch import Stream
from trivium.base.errors import ConfigError, ModelError, NumericsError
from trivium.infer.beam import Beam, search
from trivium.infer.generate import Generation, generate
from trivium.infer.request import Request
from trivium.infer.sampling import Sampling
from trivium.model.transformer import Transformer

V, WINDOW, BLOCK = 61, 6, 32
PATTERNS = {
    "causal": "causal",
    "window": {"kind": "window", "size": WINDOW},
    "alternating": [{"kind": "window", "size": WINDOW}, "causal"],
    "window of one": {"kind": "window", "size": 1},
}


def make(preset: str = "llama", **changes) -> Transformer:
    heads = {"kv_heads": 2} if preset == "llama" else {}
    return tiny.lively(preset, **{"context": 128, "vocab_size": V, "tie": False, **heads, **changes})


def prompt(length: int, seed: int = 0) -> list[int]:
    return torch.randint(V, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


@torch.no_grad()
def slow(transformer: Transformer, ids: list[int], count: int, memory=None) -> list[int]:
    """The definition: the whole text through the model for each new token."""
    ids, begin = list(ids), len(ids)
    for _ in range(count):
        table = torch.tensor([ids])
        places = torch.arange(len(ids))[None]
        hidden = transformer.decode(Stream(table, places, torch.ones_like(table)), memory)
        ids.append(int(transformer.logits(hidden[:, -1]).argmax()))
    return ids[begin:]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("length", [1, WINDOW - 1, WINDOW, WINDOW + 1, BLOCK])
def test_with_cache_is_without(pattern: str, length: int) -> None:
    transformer = make(pattern=PATTERNS[pattern])
    ids = prompt(length)
    expected = slow(transformer, ids, 20)
    assert generate(transformer, Request([ids], max_new_tokens=20))[0].ids == expected
    told = len(set(expected)) > 2 or pattern == "window of one"  # which walks from token to token into a loop
    assert told, "the model says the same whatever it sees: this would show nothing"


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("preset", ["llama", "gpt2"])
def test_a_left_padded_batch_is_its_rows(preset: str, pattern: str) -> None:
    transformer = make(preset, pattern=PATTERNS[pattern])
    prompts = [prompt(length, seed=length) for length in (1, 5, 33)]
    alone = [generate(transformer, Request([row], max_new_tokens=24))[0] for row in prompts]
    assert generate(transformer, Request(prompts, max_new_tokens=24)) == alone
    # Rows that end at different times leave the others as they were.
    stops = {row.ids[5 * (i + 1)] for i, row in enumerate(alone)}
    expected = [generate(transformer, Request([row], max_new_tokens=24, stop_ids=stops))[0] for row in prompts]
    assert generate(transformer, Request(prompts, max_new_tokens=24, stop_ids=stops)) == expected
    assert len({len(row.ids) for row in expected}) > 1 or pattern == "window of one"


def test_finished_rows_leave_the_batch() -> None:
    transformer = make()
    run = Generation(transformer, Request([prompt(3), prompt(4), prompt(5)], max_new_tokens=8))
    run.step()
    run.finish(1)
    assert [row for row, _ in run.step()] == [0, 2]
    assert len(run.engine.running) == 2 and run.rows[1].slot is None
    assert len(run.ids[1]) == 1 and run.reasons[1] == "stop"


def test_an_encoder_is_read_once() -> None:
    decoder = {"layers": 2, "heads": 4, "pattern": ["causal"], "position": ["rope"]}
    encoder = {"layers": 1, "heads": 4, "position": ["rope"]}
    torch.manual_seed(0)
    both = trivium.model.config.ModelConfig.model_validate(
        {"vocab_size": V, "hidden_size": 32, "context": 64, "tie": False, "encoder": encoder, "decoder": decoder}
    )
    transformer = Transformer(both).eval()
    with torch.no_grad():
        for parameter in transformer.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.3)
    sources, starts = [prompt(n, seed=n) for n in (2, 7, 4)], [[0], [0], [3, 5]]
    calls = []
    transformer.encoder.register_forward_hook(lambda *_: calls.append(1))
    found = generate(transformer, Request(starts, max_new_tokens=10, sources=sources, stop_ids={11, 12, 13}))
    assert len(calls) == len(sources)
    for start, source, row in zip(starts, sources, found, strict=True):
        table = torch.tensor([source])
        enc = Stream(table, torch.arange(len(source))[None], torch.ones_like(table))
        with torch.no_grad():
            expected = slow(transformer, start, 10, transformer.encode(enc))
        cut = next((i for i, index in enumerate(expected) if index in {11, 12, 13}), 10)
        assert row.ids == expected[:cut]


def test_it_ends_at_a_stop_id_which_is_not_given() -> None:
    transformer = make()
    free = generate(transformer, Request([prompt(4)], max_new_tokens=12))[0]
    assert free.reason == "length" and len(free.ids) == 12
    end = free.ids[5]
    cut = generate(transformer, Request([prompt(4)], max_new_tokens=12, stop_ids={end}))[0]
    assert cut.reason == "stop" and cut.ids == free.ids[: free.ids.index(end)]


def test_learned_positions_end() -> None:
    transformer = make("gpt2", context=16)
    for length, room in ((15, 2), (16, 1), (10, 7)):
        found = generate(transformer, Request([prompt(length)], max_new_tokens=50))[0]
        assert (len(found.ids), found.reason) == (room, "length")
    assert [len(row.ids) for row in generate(transformer, Request([prompt(2), prompt(12)], max_new_tokens=50))] == [
        15,
        5,
    ]
    with pytest.raises(ModelError, match="prompt 1 has 17 tokens, but the model has only 16 positions"):
        generate(transformer, Request([prompt(3), prompt(17)]))


def test_rows_that_pad_the_table_are_never_chosen() -> None:
    transformer = make()
    with torch.no_grad():
        transformer.head.weight[40:] *= 100
    wild = generate(transformer, Request([prompt(5)], max_new_tokens=10))[0].ids
    tame = generate(transformer, Request([prompt(5)], max_new_tokens=10, vocabulary=40))[0].ids
    assert max(wild) >= 40 > max(tame)


@pytest.mark.parametrize(
    ("rows", "message"),
    [([[]], "prompt 0 is empty"), ([[1], [2, V]], f"prompt 1 has the id {V}"), ([[-1]], "prompt 0 has the id -1")],
)
def test_a_prompt_that_cannot_be_read(rows: list[list[int]], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        generate(make(), Request(rows))


def test_nothing_to_do() -> None:
    assert generate(make(), Request([])) == []
    with pytest.raises(ConfigError, match="max_new_tokens: expected at least 1, found 0"):
        generate(make(), Request([prompt(3)], max_new_tokens=0))


def test_what_a_request_cannot_have() -> None:
    with pytest.raises(ConfigError, match="stop: stop strings need prompts that are texts"):
        generate(make(), Request([prompt(3)], stop_strings=["x"]))
    with pytest.raises(ConfigError, match="num_beams: beam search cannot write piece by piece"):
        Generation(make(), Request([prompt(3)], decoding=Beam()))
    both = trivium.build("t5", depth=1, vocab_size=V).transformer
    for sources in (None, [[1]]):
        with pytest.raises(ModelError, match="an encoder-decoder model needs a source for each prompt"):
            generate(both, Request([[0], [0]], sources))


def test_a_request_for_beams_gives_the_best_text_of_each_prompt() -> None:
    transformer, request = make(), Request([prompt(3), prompt(7)], decoding=Beam(beams=3), max_new_tokens=6)
    assert generate(transformer, request) == [found[0] for found in search(transformer, request)]


def test_an_encoder_alone_cannot() -> None:
    config = {"vocab_size": V, "hidden_size": 32, "context": 64, "encoder": {"layers": 1, "heads": 4}}
    transformer = Transformer(trivium.model.config.ModelConfig.model_validate(config))
    with pytest.raises(ModelError, match="generation needs a decoder; this is an encoder model"):
        generate(transformer, Request([prompt(3)]))


def test_dropout_is_off_meanwhile_and_training_goes_on() -> None:
    transformer = make(dropout=0.5).train()
    expected = generate(transformer, Request([prompt(5)], max_new_tokens=16))
    assert generate(transformer, Request([prompt(5)], max_new_tokens=16)) == expected
    assert transformer.training and transformer.decoder.blocks[0].training


def test_seeds() -> None:
    transformer, warm = make(), Sampling(temperature=2.0, seed=3)
    first = generate(transformer, Request([prompt(5), prompt(5)], decoding=warm, max_new_tokens=16))
    assert generate(transformer, Request([prompt(5), prompt(5)], decoding=warm, max_new_tokens=16)) == first
    assert first[0].ids != first[1].ids
    assert (
        generate(transformer, Request([prompt(5)], decoding=Sampling(temperature=2.0, seed=4), max_new_tokens=16))[0]
        != first[0]
    )


def test_repetition_penalty_counts_the_prompt() -> None:
    transformer = make()
    never = Sampling(repetition_penalty=1e9)
    rows = [prompt(5), prompt(9, seed=2)]
    for row, found in zip(rows, generate(transformer, Request(rows, decoding=never, max_new_tokens=20)), strict=True):
        assert len(set(found.ids)) == 20 and not set(found.ids) & set(row)


@pytest.mark.parametrize("decoding", [Sampling(), Sampling(temperature=1.0, seed=0), Beam(beams=2)])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 3e38])
def test_scores_that_are_not_finite_are_no_text(decoding: Sampling | Beam, bad: float) -> None:
    transformer = make()
    transformer.decoder.blocks[1].ffn.down.weight.data.fill_(bad)
    with pytest.raises(NumericsError, match="the scores of the next token are not finite"):
        generate(transformer, Request([prompt(5)], None, decoding, 4))


def test_the_exact_mode_of_a_request_reaches_the_engine() -> None:
    model = trivium.build("llama", layers=1, hidden_size=32, heads=2, vocab_size=V, context=32)
    assert not Generation(model.transformer, model.request([[1, 2]])).engine.exact
    assert Generation(model.transformer, model.request([[1, 2]], exact=True)).engine.exact
    model.exact = True
    assert Generation(model.transformer, model.request([[1, 2]])).engine.exact
    assert not Generation(model.transformer, model.request([[1, 2]], exact=False)).engine.exact
    assert model.generate([1, 2], 4) == model.generate([[3, 4, 5], [1, 2]], 4)[1]
