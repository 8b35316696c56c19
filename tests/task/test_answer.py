"""Questions put to a model: the answers are its greedy continuations, scored against every reference."""

from pathlib import Path

import pytest
import torch

from foreign import foreign
from talk import parse
from trivium import api
from trivium.base.types import Message
from trivium.infer.beam import Beam
from trivium.objective.instruct import Instruct
from trivium.rows.record import Conversation
from trivium.rows.supervised import ExampleMaker
from trivium.task.answer import Answered, answer, answer_file, prompts_of, summary
from trivium.token.tokenizer import Tokenizer


def model(preset: str = "llama") -> api.Model:
    torch.manual_seed(0)
    built = api.build(preset, depth=1, vocab_size=384, context=64)
    return api.Model(built.transformer, Tokenizer.bytes())


def test_answers_do_not_depend_on_the_batch() -> None:
    asked = [Conversation((Message("user", "x" * n),), ("r",)) for n in (1, 9, 4)]
    together = answer(model(), asked, max_new_tokens=5)
    alone = [answer(model(), [one], max_new_tokens=5)[0] for one in asked]
    assert together == alone


def test_answers_are_what_a_chat_says() -> None:
    m = model()
    asked = Conversation((Message("user", "hello"),), ("r",))
    assert answer(m, [asked], max_new_tokens=6)[0].answer == m.chat([Message("user", "hello")], max_new_tokens=6)


@pytest.mark.parametrize("preset", ["llama", "t5"])
def test_answers_are_searched_for(preset: str) -> None:
    m = model(preset)
    asked = [Conversation((Message("user", "x" * n),), ("r",)) for n in (1, 9, 4)]
    found = [one.answer for one in answer(m, asked, 6, Beam(beams=3))]
    assert found == [
        m.tokenizer.decode(ids, skip_special=True)
        for ids in m.generate(prompts_of(m, asked, 6), max_new_tokens=6, num_beams=3)
    ]
    assert found != [one.answer for one in answer(m, asked, 6)]


@pytest.mark.parametrize(("preset", "same"), [("llama", True), ("t5-v1.1", False)])
def test_runs_may_repeat_where_the_prompt_is_the_text_itself(preset: str, same: bool) -> None:
    m, asked = model(preset), [Conversation((Message("user", "abc"),), ("r",))]
    m.transformer.tokens.weight.data[:] = m.transformer.tokens.weight.data[100].clone()  # it says one thing for ever
    free, bound = (answer(m, asked, 8, Beam(beams=2, no_repeat_ngram=size)) for size in (0, 1))
    assert (free == bound) is same


def test_the_rules_of_a_beam_hold_for_one_beam_too() -> None:
    m, asked = model(), [Conversation((Message("user", "abc"),), ("r",))]
    m.stop_ids = (*m.stop_ids, m.generate(prompts_of(m, asked, 8), 1)[0][0])  # it ends at once
    free, bound = (answer(m, asked, 8, Beam(beams=1, min_new_tokens=least))[0].answer for least in (0, 8))
    assert free == "" != bound


@pytest.mark.parametrize("beams", [1, 2])
def test_answers_obey_the_ids_that_a_folder_forces(beams: int) -> None:
    m = model("bart")
    m.forced = {"first": m.tokenizer.encode("q")[0]}
    (found,) = answer(m, [Conversation((Message("user", "abc"),), ("r",))], 4, Beam(beams=beams))
    assert found.answer.startswith("q")


def test_summary_takes_the_best_reference(tmp_path: Path) -> None:
    found = summary([Answered("q", "a b", ("c", "a b")), Answered("q", "a", ("a z",))])
    assert found["exact_match"] == 0.5
    assert found["rouge_l"] == (1 + 2 / 3) / 2


def test_a_file_of_rows_is_answered(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"instruction": "hi", "input": "", "outputs": ["a", "b"]}\n')
    (only,) = answer_file(model(), tmp_path / "q.jsonl", max_new_tokens=2)
    assert only.question == "hi" and only.references == ("a", "b")


@pytest.mark.parametrize("name", ["ours", "llama3", "mistral"])
def test_one_bos_wherever_a_conversation_is_rendered(name: str) -> None:
    tokenizer = Tokenizer.bytes() if name == "ours" else foreign(name)
    talk = parse({"question": "<s>", "answer": "yes"}, "x:1")
    built = api.build("llama", depth=1, vocab_size=tokenizer.size, context=256)
    model = api.Model(built.transformer, tokenizer)
    ((example,),) = ExampleMaker(tokenizer, Instruct(), 256).items(talk)
    assert example.dec is not None
    chat = model.conversation(4)
    chat.history = list(talk.messages)
    trained, asked, scored = example.dec.tolist(), chat.prompt(), prompts_of(model, [talk], 4)[0]
    bos = tokenizer.vocabulary.bos
    assert trained[0] == asked[0] == scored[0] == bos
    assert trained.count(bos) == asked.count(bos) == scored.count(bos) == 1
    assert asked == scored == trained[: len(asked)]


def test_a_question_that_positions_do_not_hold_is_cut_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    built = api.build("gpt2", depth=1, vocab_size=384, context=64)
    short = api.Model(built.transformer, Tokenizer.bytes())
    asked = [Conversation((Message("user", "x" * n),), ("r",)) for n in (300, 3)]
    prompts = prompts_of(short, asked, 8)
    assert len(prompts[0]) == 56 and len(prompts[1]) == 7 and prompts[0][-1] == prompts[1][-1]
    assert "shortened 1 questions: cut to 56 tokens" in capsys.readouterr().out
    assert [one.answer for one in answer(short, asked, 8)]
