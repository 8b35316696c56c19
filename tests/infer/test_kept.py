"""Conversations of one model have one engine, as long as its weights stay what they were."""

import threading
from typing import Any

import pytest
import torch

import trivium
from trivium.infer.engine import InferenceEngine
from trivium.infer.row import Row
from trivium.token.tokenizer import Tokenizer


def made(context: int = 256) -> trivium.Model:
    torch.manual_seed(0)
    model = trivium.build("llama", layers=1, hidden_size=32, heads=2, vocab_size=384, context=context)
    model.tokenizer = Tokenizer.bytes()
    return model


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """The rows that any engine gets."""
    rows: list[Row] = []
    submit = InferenceEngine.submit
    monkeypatch.setattr(InferenceEngine, "submit", lambda self, row: (rows.append(row), submit(self, row)))
    return rows


def plain(model: trivium.Model) -> dict[str, Any]:
    """Options with which the model writes letters, which become the same ids again."""
    bias = tuple((index, 100.0) for index in model.tokenizer.encode("abcdefgh"))
    return {"max_new_tokens": 12, "logit_bias": bias, "temperature": 1.0, "seed": 3}


def test_the_second_turn_of_model_chat_reads_again_almost_nothing(asked: list[Row]) -> None:
    model = made()
    turns = [{"role": "user", "content": "hello there, who are you and what do you know?"}]
    turns.append({"role": "assistant", "content": model.chat(turns, **plain(model))})
    turns.append({"role": "user", "content": "and now"})
    answer = model.chat(turns, **plain(model))
    first, second = asked
    assert first.hit == 0 and second.hit >= 0.95 * len(first.text)
    assert answer == made().chat(turns, **plain(model)), "and the answer is that of a model that has read nothing"


def test_other_weights_have_read_nothing(asked: list[Row]) -> None:
    model = made()
    turns = [{"role": "user", "content": "hello there"}]
    chat = model.conversation(**plain(model))
    before, _ = model.chat(turns, **plain(model)), "".join(chat.reply("hello there"))
    assert asked[-1].hit > 0
    step = torch.optim.AdamW(model.transformer.parameters(), lr=0.1)
    model.hidden([[1, 2, 3]]).sum().item()
    sum(part.square().sum() for part in model.transformer.parameters()).backward()
    step.step()
    chat.reset()
    after = model.chat(turns, **plain(model)), "".join(chat.reply("hello there"))
    assert asked[-2].hit == 0 and before not in after
    other = made()
    other.transformer.load_state_dict(model.transformer.state_dict())
    assert after[0] == other.chat(turns, **plain(other))
    count = asked[-1].hit
    with torch.no_grad():
        other.transformer.tokens.weight.data = other.transformer.tokens.weight.data.clone()
    assert count == 0 and other.chat(turns, **plain(other)) == after[0] and asked[-1].hit == 0


def test_conversations_that_are_read_in_turns_keep_to_themselves() -> None:
    model = made()
    alone = ["".join(made().conversation(**plain(model)).reply(text)) for text in ("one", "another")]
    chats = [model.conversation(**plain(model)) for _ in alone]
    pieces = [chat.reply(text) for chat, text in zip(chats, ("one", "another"), strict=True)]
    said = ["", ""]
    said[0] += next(pieces[0])
    said[1] += "".join(pieces[1])
    said[0] += "".join(pieces[0])
    assert said == alone


def test_threads_share_the_engine() -> None:
    model = made()
    turns = [[{"role": "user", "content": f"question {number}"}] for number in range(4)]
    expected = [made().chat(one, **plain(model)) for one in turns]
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        for _ in range(5):
            found[number] = model.chat(turns[number], **plain(model))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(4)] == expected
