"""Questions put to a model: the answers are its greedy continuations, scored against every reference."""

from pathlib import Path

import torch

from trivium import api
from trivium.base.types import Message
from trivium.task.answer import Answered, answer, answer_file, summary
from trivium.text.rows import Conversation
from trivium.text.tokenizer import Tokenizer


def model() -> api.Model:
    torch.manual_seed(0)
    built = api.build("llama", depth=1, vocab_size=384, context=64)
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


def test_summary_takes_the_best_reference(tmp_path: Path) -> None:
    found = summary([Answered("q", "a b", ("c", "a b")), Answered("q", "a", ("a z",))])
    assert found["exact_match"] == 0.5
    assert found["rouge_l"] == (1 + 2 / 3) / 2


def test_a_file_of_rows_is_answered(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"instruction": "hi", "input": "", "outputs": ["a", "b"]}\n')
    (only,) = answer_file(model(), tmp_path / "q.jsonl", max_new_tokens=2)
    assert only.question == "hi" and only.references == ("a", "b")
