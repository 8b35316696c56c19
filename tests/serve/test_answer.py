"""An answer tells the tokens of the text that is there, and no others."""

from trivium.infer.row import Chance
from trivium.serve.answer import Answer, finish, token_of
from trivium.serve.worker import Delta
from trivium.token.tokenizer import Tokenizer


def test_tokens_of_text_that_is_held_or_cut_are_not_told() -> None:
    tokenizer = Tokenizer.bytes()
    ids = tokenizer.encode("abSTOP")
    chances = [Chance(-float(at), []) for at in range(len(ids))]
    answer = Answer(tokenizer)
    assert [one.id for one in answer.add(Delta(0, "ab", ids[:4], chances[:4]))] == ids[:2]
    assert answer.add(Delta(0, "", ids[4:], chances[4:], "stop")) == []
    assert (answer.text, answer.count, answer.reason) == ("ab", 6, "stop")


def test_all_tokens_are_told_where_nothing_is_cut() -> None:
    tokenizer = Tokenizer.bytes()
    ids = [*tokenizer.encode("aé"), tokenizer.id_of("<|user|>")]
    answer = Answer(tokenizer)
    got = answer.add(Delta(0, "aé", ids, [Chance(0.0, [])] * len(ids), "length"))
    assert [one.id for one in got] == ids and [one.start for one in got] == [0, 1, 1, 2]
    assert token_of(tokenizer, ids[1]) == ("\ufffd", [0xC3]) and token_of(tokenizer, ids[3])[0] == "<|user|>"
    assert [finish(reason) for reason in ("stop", "length", None)] == ["stop", "length", "length"]
