"""A worker writes what generate writes, in pieces, for many at once, and forgets who has left."""

import asyncio

import pytest

import trivium
from trivium.api import Model
from trivium.base.errors import ModelError
from trivium.infer.generate import rows
from trivium.infer.row import Row
from trivium.serve.worker import Delta, QueueFull, Worker
from trivium.token.tokenizer import Tokenizer

BIG = 1 << 28


@pytest.fixture(scope="module")
def model() -> Model:
    tokenizer = Tokenizer.bytes()
    made = trivium.build("llama", layers=2, hidden_size=32, heads=2, vocab_size=tokenizer.size, context=128)
    return Model(made.transformer, tokenizer)


def prompt_rows(model: Model, prompt: str, most: int = 12, count: int = 1, seed: int = 0) -> list[Row]:
    request = model.request([model.encode(prompt)] * count, most, temperature=1.0, seed=seed)
    return rows(model.config, request)


async def text(worker: Worker, some: list[Row], stop: tuple[str, ...] = ()) -> str:
    return "".join([piece.text async for piece in worker.write(some, stop)])


def test_many_at_once_get_what_each_gets_alone(model: Model) -> None:
    worker = Worker(model, BIG, exact=True)
    worker.start()

    def each() -> list[list[Row]]:
        return [prompt_rows(model, f"{'word ' * (n % 7)}{n}", seed=n) for n in range(12)]

    async def all_() -> list[str]:
        return await asyncio.gather(*(text(worker, one) for one in each()))

    found = asyncio.run(all_())
    alone = [asyncio.run(text(worker, one)) for one in each()]
    assert found == alone and len({*found}) > 6
    worker.close()


def test_pieces_join_to_the_text_and_the_last_has_the_reason(model: Model) -> None:
    worker = Worker(model, BIG)
    worker.start()

    async def gather() -> list[Delta]:
        return [piece async for piece in worker.write(prompt_rows(model, "a", count=2))]

    pieces = asyncio.run(gather())
    for at in range(2):
        mine = [piece for piece in pieces if piece.row == at]
        assert [piece.reason for piece in mine][-1] == "length" and not any(piece.reason for piece in mine[:-1])
        ids = [index for piece in mine for index in piece.ids]
        assert len(ids) == 12 and "".join(piece.text for piece in mine) == model.tokenizer.decode(
            ids, skip_special=True
        )
    worker.close()


def test_who_leaves_frees_the_row(model: Model) -> None:
    worker = Worker(model, BIG)
    worker.start()

    async def leave() -> None:
        some = prompt_rows(model, "a", most=100)
        stream = worker.write(some)
        await anext(stream)
        await stream.aclose()
        assert some[0].reason == "cancelled"
        await text(worker, prompt_rows(model, "b"))
        assert len(some[0].ids) < 100 and worker.load == (0, 0)

    asyncio.run(leave())
    assert worker.engine is not None and all(row.reason for row in worker.engine.running)
    worker.close()


def test_too_many_are_refused_and_a_mistake_reaches_the_caller(model: Model) -> None:
    worker = Worker(model, BIG, waiting=3)
    worker.start()
    with pytest.raises(QueueFull, match="at most 3 may"):
        asyncio.run(text(worker, prompt_rows(model, "a", count=4)))
    small = Worker(model, 100)
    small.start()
    with pytest.raises(ModelError, match="allow fewer new ids or more memory"):
        asyncio.run(text(small, prompt_rows(model, "a")))
    assert asyncio.run(text(worker, prompt_rows(model, "a")))
    assert worker.call(lambda: 6 * 7).result(10) == 42
    with pytest.raises(ZeroDivisionError):
        worker.call(lambda: 1 // 0).result(10)
    for one in (worker, small):
        one.close()
