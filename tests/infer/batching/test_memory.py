"""The memory of rows: a limit holds at every step, rows wait and come back, and their texts are those of rows alone."""

import random

import pytest
import torch

import small
from trivium.base.errors import ModelError
from trivium.infer.engine import InferenceEngine
from trivium.infer.row import Row
from trivium.infer.sampling import Sampling
from trivium.model.transformer import Transformer

V = 97


def rows() -> list[Row]:
    """Rows that outgrow their first slots."""
    draw = random.Random(1)
    texts = [[draw.randrange(V) for _ in range(draw.randrange(110, 127))] for _ in range(4)]
    return [Row(text, None, Sampling(), torch.Generator(), 24) for text in texts]


def ids(transformer: Transformer, row: Row) -> list[int]:
    engine = InferenceEngine(transformer, exact=True)
    engine.submit(row)
    while engine.busy:
        engine.step()
    return row.ids


def test_a_limit_holds_and_changes_no_text() -> None:
    transformer = small.noisy(small.model("llama", context=256)).transformer
    alone = [ids(transformer, row) for row in rows()]
    need, back = 256, 0
    for room in (need, 2 * need + 1):
        engine, some, most = InferenceEngine(transformer, exact=True), rows(), 0
        memory = engine.memory
        memory.limit = room * memory.position_bytes
        for row in some:
            engine.submit(row)
        while engine.busy:
            before = {id(row) for row in engine.running}
            engine.step()
            back += sum(id(row) in before for row in engine.queue)
            most = max(most, memory.pool.allocated + sum(map(memory.width, memory.prefixes)))
        assert most <= room and [row.ids for row in some] == alone
    assert back, "a row had to come back"
    memory.limit = (need - 1) * memory.position_bytes
    with pytest.raises(ModelError, match="allow fewer new ids or more memory"):
        engine.submit(max(rows(), key=lambda row: row.capacity))


def test_a_row_has_room_for_what_it_uses() -> None:
    transformer = small.model("llama", context=2048).transformer
    engine = InferenceEngine(transformer)
    row = Row([1, 2, 3], None, Sampling(), torch.Generator(), 1500)
    engine.submit(row)
    engine.step()
    assert engine.memory.pool.allocated == engine.memory.width(row) == 128 and row.capacity == 1503
