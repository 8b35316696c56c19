import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.base.errors import DataError
from trivium.base.types import IGNORE
from trivium.data.conversation import conversation_rows, render_references
from trivium.objective.instruct import Instruct
from trivium.text.rows import parse
from trivium.text.tokenizer import Tokenizer

SHORT = {"question": "What does abs do?", "context": "", "answer": "The absolute value."}
TALK = {
    "dialogue": [
        {"speaker": "user", "text": "hi"},
        {"speaker": "bot", "text": "hello"},
        {"speaker": "user", "text": "?"},
    ],
    "response": "bye",
}
SEVERAL = {"instruction": "Name a color", "input": "", "outputs": ["red", "green", "blue", "red"]}


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.bytes()


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def examples(rows, epoch=0):
    return [example for index in range(rows.size(epoch)) for example in rows.row(epoch, index)]


def trained(example):
    targets = example.targets["token"]
    return targets[targets != IGNORE].tolist()


def test_every_format_becomes_an_example(tmp_path, tokenizer):
    rows, dropped = conversation_rows([write(tmp_path / "x.jsonl", SHORT, TALK, SEVERAL)], tokenizer, Instruct(), 256)
    assert len(examples(rows)) == 3 and not dropped
    assert all(len(example.dec) == len(example.targets["token"]) for example in examples(rows))


def test_exactly_the_answer_and_its_end_are_trained(tokenizer):
    (example,) = render_references(parse(SHORT, "x:1"), tokenizer, Instruct())
    assert tokenizer.decode(trained(example)) == "The absolute value.<|end|>"
    assert tokenizer.decode(example.dec.tolist()) == (
        "<s><|user|>What does abs do?<|end|><|assistant|>The absolute value.<|end|>"
    )


def test_in_a_dialogue_every_turn_of_the_assistant_is_trained(tokenizer):
    (example,) = render_references(parse(TALK, "x:1"), tokenizer, Instruct())
    assert tokenizer.decode(trained(example)) == "hello<|end|>bye<|end|>"


@settings(deadline=None, max_examples=60)
@given(st.text(min_size=1), st.text(min_size=1))
def test_what_is_trained_is_the_answer_byte_for_byte(tokenizer, question, answer):
    if not question.strip() or not answer.strip():
        return
    row = {"question": question + " <|end|></s>", "context": "<|user|>", "answer": answer}
    (example,) = render_references(parse(row, "x:1"), tokenizer, Instruct())
    end = tokenizer.id_of("<|end|>")
    assert trained(example) == [*tokenizer.encode(answer), end]
    assert (example.dec == end).sum() == 2 and (example.dec == tokenizer.vocabulary.bos).sum() == 1


def test_all_references_weigh_as_much_as_one_row(tokenizer):
    found = render_references(parse(SEVERAL, "x:1"), tokenizer, Instruct(references="all"))
    assert [tokenizer.decode(trained(example)) for example in found] == ["red<|end|>", "green<|end|>", "blue<|end|>"]
    assert np.allclose([example.weights for example in found[:1]], 1 / 3)
    assert sum(float(example.weights[0]) for example in found) == pytest.approx(1)


def test_one_reference_weighs_one(tokenizer):
    assert render_references(parse(SHORT, "x:1"), tokenizer, Instruct(references="all"))[0].weights is None


def test_references_are_all_taken_or_one_is_drawn(tmp_path, tokenizer):
    path = write(tmp_path / "x.jsonl", SEVERAL, SHORT)
    everything, _ = conversation_rows([path], tokenizer, Instruct(references="all"), 256)
    sampled, _ = conversation_rows([path], tokenizer, Instruct(), 256)
    assert len(examples(everything)) == 4
    drawn = {tokenizer.decode(trained(e)) for epoch in range(40) for e in examples(sampled, epoch)}
    assert drawn == {"red<|end|>", "green<|end|>", "blue<|end|>", "The absolute value.<|end|>"}
    assert all(len(examples(sampled, epoch)) == 2 for epoch in range(3))


def test_a_draw_depends_on_seed_and_epoch_alone(tmp_path, tokenizer):
    path = write(tmp_path / "x.jsonl", *[SEVERAL | {"instruction": f"number {i}"} for i in range(8)])

    def drawn(seed, epoch):
        rows, _ = conversation_rows([path], tokenizer, Instruct(), 64, seed, "pad")
        return [trained(example) for example in examples(rows, epoch)]

    assert drawn(0, 3) == drawn(0, 3)
    assert drawn(0, 3) != drawn(0, 4) and drawn(0, 3) != drawn(1, 3)


def test_what_is_too_long_is_dropped_and_counted_never_cut(tmp_path, tokenizer):
    long = SHORT | {"answer": "x" * 300}
    rows, dropped = conversation_rows([write(tmp_path / "x.jsonl", long, SHORT, long)], tokenizer, Instruct(), 64)
    assert dropped == {"longer than 64 tokens": 2} and len(examples(rows)) == 1


def test_when_everything_is_too_long_there_is_nothing_to_train_on(tmp_path, tokenizer):
    with pytest.raises(DataError, match="no rows to train on"):
        conversation_rows([write(tmp_path / "x.jsonl", SHORT)], tokenizer, Instruct(), 8)


def test_a_row_without_its_keys_is_named(tmp_path, tokenizer):
    path = write(tmp_path / "x.jsonl", SHORT, {"prompt": "x"})
    with pytest.raises(DataError, match=r"x\.jsonl:2: expected the keys"):
        conversation_rows([path], tokenizer, Instruct(), 64)
