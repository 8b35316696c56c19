import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foreign import foreign
from talk import parse
from trivium.base.batch import collate
from trivium.base.errors import DataError
from trivium.base.types import IGNORE
from trivium.objective.instruct import Instruct
from trivium.rows.notes import Notes
from trivium.rows.read import BAD, RowReading
from trivium.rows.supervised import NOTHING, UNWRITTEN, ExampleMaker, best, conversation_rows
from trivium.token.template import Plain, with_template
from trivium.token.tokenizer import Tokenizer

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


def render_references(conversation, tokenizer, objective, start=None):
    return [example for item in ExampleMaker(tokenizer, objective, 4096, start).items(conversation) for example in item]


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
    references = SEVERAL | {"outputs": ["x" * 99, "red", "y" * 99]}
    for mode, count in (("all", 2), ("sample", 2)):
        rows, dropped = conversation_rows(
            [write(tmp_path / "x.jsonl", references)], tokenizer, Instruct(references=mode), 64
        )
        assert dropped == {"reference longer than 64 tokens": count}
        assert [tokenizer.decode(trained(e)) for e in examples(rows)] == ["red<|end|>"]
        assert all(e.weights is None for e in examples(rows)), "what is left of a row still counts one"


def test_when_everything_is_too_long_there_is_nothing_to_train_on(tmp_path, tokenizer):
    with pytest.raises(DataError, match="no rows to train on"):
        conversation_rows([write(tmp_path / "x.jsonl", SHORT)], tokenizer, Instruct(), 8)


def test_a_row_without_its_keys_is_named(tmp_path, tokenizer):
    path = write(tmp_path / "x.jsonl", SHORT, {"prompt": "x"}, {**SHORT, "answer": ""})
    with pytest.raises(DataError, match=r"x\.jsonl:2: expected the keys of"):
        conversation_rows([path], tokenizer, Instruct(), 64)
    rows, dropped = conversation_rows([path], tokenizer, Instruct(), 64, reading=RowReading(skip_bad=True))
    assert dropped.total() == 2 and all(reason.startswith(BAD) for reason in dropped) and len(examples(rows)) == 1


def test_the_last_answer_alone_may_be_trained(tokenizer):
    (example,) = render_references(parse(TALK, "x:1"), tokenizer, Instruct(train="last"))
    assert tokenizer.decode(trained(example)) == "bye<|end|>"


def test_what_a_row_says_of_a_turn_goes_before_the_recipe(tmp_path, tokenizer):
    turns = [("user", "a", None), ("assistant", "b", True), ("user", "c", None), ("assistant", "d", False)]
    row = {"messages": [{"role": role, "content": text, "train": train} for role, text, train in turns]}
    for train in ("all", "last"):
        (example,) = render_references(parse(row, "x:1"), tokenizer, Instruct(train=train))
        assert tokenizer.decode(trained(example)) == "b<|end|>"
    row["messages"][1]["train"] = False
    _, dropped = conversation_rows([write(tmp_path / "x.jsonl", row, SHORT)], tokenizer, Instruct(), 64)
    assert dropped == {NOTHING: 1}
    for start in (None, 0):
        with pytest.raises(DataError, match=r"every one was dropped \(1 nothing in it is trained\)"):
            conversation_rows([write(tmp_path / "y.jsonl", row)], tokenizer, Instruct(), 64, start=start)


def test_beside_an_encoder_every_answer_is_an_example(tokenizer):
    found = render_references(parse(TALK, "x:1"), tokenizer, Instruct(), start=7)
    read, written = (
        [tokenizer.decode(ids.tolist()) for ids in side] for side in zip(*[(e.enc, e.dec) for e in found], strict=True)
    )
    asked = "<s><|user|>hi<|end|><|assistant|>"
    assert read == [asked, asked + "hello<|end|><|user|>?<|end|><|assistant|>"]
    assert [e.dec[0] for e in found] == [7, 7] and len(written) == 2
    assert [tokenizer.decode(trained(e)) for e in found] == ["hello<|end|>", "bye<|end|>"]
    several = render_references(parse(SEVERAL, "x:1"), tokenizer, Instruct(references="all"), start=7)
    assert sum(float(e.weights[0]) for e in several) == pytest.approx(1) and len(several) == 3


def test_the_best_reference_is_the_one_that_the_others_agree_with(tmp_path, tokenizer):
    assert best([[1, 2], [1, 2, 3], [9, 9, 9]]) == 0 and best([[9], [1, 2], [2, 1, 3]]) == 1
    assert best([[5]]) == 0 and best([[1, 2], [2, 1]]) == 0 and best([[], [3], []]) == 0
    row = SEVERAL | {"outputs": ["zzz", "the red", "a red"]}
    rows, _ = conversation_rows([write(tmp_path / "x.jsonl", row)], tokenizer, Instruct(references="best"), 64)
    assert {tokenizer.decode(trained(examples(rows, epoch)[0])) for epoch in range(9)} == {"the red<|end|>"}


@pytest.mark.parametrize("policy", ["truncate-context", "truncate-left"])
@pytest.mark.parametrize("start", [None, 0])
def test_what_is_too_long_may_be_shortened_and_is_counted(tmp_path, tokenizer, policy, start):
    long = SHORT | {"context": "c" * 300}
    path = write(tmp_path / "x.jsonl", long, SHORT, SHORT | {"answer": "x" * 99})
    rows, counts = conversation_rows([path], tokenizer, Instruct(), 64, start=start, too_long=policy)
    assert counts == {"longer than 64 tokens": 1, f"cut to 64 tokens by {policy}": 1}
    for example in examples(rows):
        assert tokenizer.decode(trained(example)) == "The absolute value.<|end|>"
        read = tokenizer.decode((example.dec if start is None else example.enc).tolist())
        assert read.count("<s>") == 1 and read.startswith("<s>") and "What does abs do?<|end|><|assistant|>" in read


@pytest.mark.parametrize("packing", ["bestfit", "pad"])
def test_both_sides_of_a_packed_row_fit(tmp_path, tokenizer, packing):
    path = write(tmp_path / "x.jsonl", *[SHORT | {"answer": "x" * n, "context": "c" * (40 - n)} for n in range(1, 40)])
    rows, _ = conversation_rows([path], tokenizer, Instruct(), 100, packing=packing, start=0)
    assert len(examples(rows)) == 39
    for index in range(rows.size(0)):
        row = rows.row(0, index)
        assert sum(len(e.enc) for e in row) <= 100 and sum(len(e.dec) for e in row) <= 100
    assert (rows.size(0) < 39) == (packing == "bestfit")


def test_what_the_template_refuses_is_named_with_its_row(tmp_path):
    tokenizer = foreign("mistral")
    talk = {"dialogue": [{"speaker": "bot", "text": "hi"}, {"speaker": "user", "text": "q"}], "response": "a"}
    path = write(tmp_path / "x.jsonl", SHORT, talk)
    with pytest.raises(DataError, match=r"x\.jsonl:2: the chat template: user and assistant must take turns"):
        conversation_rows([path], tokenizer, Instruct(), 200)
    _, dropped = conversation_rows([path], tokenizer, Instruct(), 200, reading=RowReading(skip_bad=True))
    assert dropped == {f"{BAD}: the chat template: user and assistant must take turns": 1}


def test_a_foreign_template_trains_the_answer_and_its_end(tmp_path):
    tokenizer = foreign("llama3")
    rows, _ = conversation_rows([write(tmp_path / "x.jsonl", TALK)], tokenizer, Instruct(), 200)
    assert tokenizer.decode(trained(examples(rows)[0])) == "hello<|eot_id|>bye<|eot_id|>"


def test_where_padding_is_the_end_token_the_end_is_trained_and_padding_is_not(tmp_path):
    tokenizer = with_template(Tokenizer(Tokenizer.bytes().json, {"bos_token": "<s>", "eos_token": "</s>"}), Plain())
    vocabulary = tokenizer.vocabulary
    assert vocabulary.pad == vocabulary.eos
    path = write(tmp_path / "x.jsonl", SHORT, SHORT | {"answer": "No."})
    rows, _ = conversation_rows([path], tokenizer, Instruct(), 256, packing="pad")
    batch = collate([rows.row(0, index) for index in range(2)], vocabulary.pad)
    for row in range(2):
        targets, documents = batch.targets["token"][row], batch.stream.documents[row]
        assert (targets == vocabulary.eos).sum() == 1, "the end of the answer"
        assert (targets[documents == 0] == IGNORE).all()
    padding = batch.stream.ids[batch.stream.documents == 0]
    assert len(padding) and (padding == vocabulary.eos).all()


def test_reasoning_that_the_template_does_not_write_is_a_flag(tmp_path, tokenizer):
    row = {
        "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "reasoning_content": "r", "content": "a"}]
    }
    notes = Notes()
    conversation_rows([write(tmp_path / "x.jsonl", row, SHORT)], tokenizer, Instruct(), 64, notes=notes)
    assert notes.flags() == [f"1 rows: {UNWRITTEN}"]


def test_an_id_that_is_forced_to_stand_first_is_trained_there(tokenizer):
    """The decoder reads and predicts what BART's stock class makes of labels that begin with the forced id."""
    shift = pytest.importorskip("transformers.models.bart.modeling_bart").shift_tokens_right
    maker = ExampleMaker(tokenizer, Instruct(), 64, start=2, first=7)
    ((example,),) = maker.items(parse(SHORT, "x:1"))
    labels = [7, *tokenizer.encode(SHORT["answer"]), tokenizer.id_of("<|end|>")]
    assert example.targets["token"].tolist() == labels
    assert example.dec.tolist() == shift(torch.tensor([labels]), 0, 2)[0].tolist()
