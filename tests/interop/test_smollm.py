"""Real weights: SmolLM2-135M-Instruct chats, embeds and is tuned with the ids that stock gives it.

Its template writes BOS at each turn and a system message of its own; its tokenizer adds no BOS to a text.
"""

import json
from itertools import product
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import small
import trivium
from smollm import folder  # noqa: F401  (a fixture)
from trivium.base.types import Message
from trivium.objective.instruct import Instruct
from trivium.rows.supervised import conversation_rows
from trivium.task.finetune import finetune, recipe_for
from trivium.token.template import ids, render

from .test_gguf import Server, write

pytestmark = pytest.mark.slow
transformers = pytest.importorskip("transformers")

TEXTS = [
    "",
    " ",
    "\n",
    "The capital of France is",
    " a  b ",
    "12345 apples, 3.14",
    "naïve café 中文 😀",
    "x\r\n\r\ny\t",
]
TEXTS += ["def f(x):\n    return x\n", "it's IT'S", "# Title\n\n- item", "A \u00a0 B\u200bC", "e\u0301", "!?" * 20]
CAPITAL = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def model(folder: Path) -> trivium.Model:  # noqa: F811
    return trivium.load(folder)


@pytest.fixture(scope="module")
def stock(folder: Path):  # type: ignore[no-untyped-def]  # noqa: F811
    return transformers.AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def network(folder: Path):  # type: ignore[no-untyped-def]  # noqa: F811
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def test_a_text_has_the_ids_of_stock(model: trivium.Model, stock) -> None:  # type: ignore[no-untyped-def]
    for text in TEXTS:
        assert model.encode(text) == stock(text)["input_ids"]
    assert model.tokenizer.vocabulary.bos not in model.encode("The capital of France is")


def test_a_conversation_has_the_ids_of_stock(model: trivium.Model, stock) -> None:  # type: ignore[no-untyped-def]
    count = 0
    for first, answer, last, system in product(TEXTS, TEXTS, TEXTS[::3], [None, *TEXTS[::5]]):
        if answer[:1].isspace():
            continue  # there an answer begins with a token of its own, as it does when it is generated
        said = [("user", first), ("assistant", answer), ("user", last)]
        messages = [
            Message(role, text) for role, text in [*([("system", system)] if system is not None else []), *said]
        ]
        for turns, asks in ((messages, True), (messages[:-1], False)):
            table = [{"role": turn.role, "content": turn.content} for turn in turns]
            given = stock.apply_chat_template(table, add_generation_prompt=asks, return_dict=True)["input_ids"]
            assert ids(render(turns, model.tokenizer, asks)) == given
            assert given.count(model.tokenizer.vocabulary.bos) == len(turns) + (system is None) + asks
            count += 1
    assert count > 3000


def test_it_says_what_stock_says(model: trivium.Model, stock, network) -> None:  # type: ignore[no-untyped-def]
    def written(given) -> str:  # type: ignore[no-untyped-def]
        with torch.no_grad():
            found = network.generate(**given, max_new_tokens=16, do_sample=False)
        return stock.decode(found[0, given["input_ids"].shape[1] :], skip_special_tokens=True)

    prompt = "Once upon a time, in 1987, there"
    assert model.generate(prompt, max_new_tokens=16) == written(stock(prompt, return_tensors="pt"))
    asked = stock.apply_chat_template(CAPITAL, add_generation_prompt=True, return_dict=True, return_tensors="pt")
    answer = model.chat(CAPITAL, max_new_tokens=16)
    assert answer == written(asked) and "Paris" in answer


def test_its_vectors_are_the_last_states_of_stock(model: trivium.Model, stock, network) -> None:  # type: ignore[no-untyped-def]
    texts = [text for text in TEXTS if text]
    with torch.no_grad():
        wanted = [network.model(**stock(text, return_tensors="pt")).last_hidden_state[0, -1] for text in texts]
    assert torch.allclose(model.embed(texts), F.normalize(torch.stack(wanted), dim=-1), atol=1e-5)


def test_llama_cpp_reads_the_same_ids(model: trivium.Model, tmp_path: Path) -> None:
    server = Server(write(tmp_path / "m.gguf", model, "q8_0"))
    for text in TEXTS:
        assert server.tokenize(text) == model.tokenizer.encode(text)
        assert server.tokenize(text, special=True) == model.encode(text), "no BOS is added"
    prompt = server.ask("/apply-template", messages=CAPITAL)["prompt"]
    messages = [Message(**turn) for turn in CAPITAL]
    assert server.tokenize(prompt, special=True) == ids(render(messages, model.tokenizer, generate=True))


def test_it_is_tuned_on_the_ids_of_stock(folder: Path, stock, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    answers = {"Who are you?": "I am a test.", "What is 12 + 30?": "42.", "Say hi.": "Hi"}
    rows = small.rows(tmp_path / "r.jsonl", [{"question": q, "answer": a} for q, a in answers.items()])
    made, dropped = conversation_rows([rows], trivium.load(folder).tokenizer, Instruct(), 256, packing="pad")
    assert not dropped and made.size(0) == 3
    tables = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in answers.items()]
    wanted = [stock.apply_chat_template(table, return_dict=True)["input_ids"] for table in tables]
    assert sorted(one.dec.tolist() for at in range(3) for one in made.row(0, at)) == sorted(wanted)

    words = ["budget_steps=2", "batch_tokens=64", "lora.rank=2", "optim.lr=1e-3", "data.length=64", "precision=fp32"]
    tuned, _ = finetune("chat", recipe_for("chat", folder, [str(rows)], overrides=words), tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines if "loss" in line]
    again, theirs = trivium.load(tuned), transformers.AutoTokenizer.from_pretrained(tuned)
    assert again.encode(TEXTS[3]) == theirs(TEXTS[3])["input_ids"] == stock(TEXTS[3])["input_ids"]
    assert theirs.chat_template == stock.chat_template
    assert (
        ids(render([Message("user", "Say hi.")], again.tokenizer, generate=True))
        == theirs.apply_chat_template(
            [{"role": "user", "content": "Say hi."}], add_generation_prompt=True, return_dict=True
        )["input_ids"]
    )
