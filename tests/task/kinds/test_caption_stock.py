"""Fine-tuning on captions beside the stock classes: the same losses, and the same weights after some steps."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import small
from seen import GPT2, TROCR, VIT, stock_model
from tolerance import close
from trivium.task.finetune import recipe_for
from trivium.task.run import run
from trivium.token.tokenizer import Tokenizer

Image = pytest.importorskip("PIL.Image")
transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
RATE, BETAS, STEPS = 2e-2, (0.9, 0.95), 3
EPS = 0.1
"""So large that a step is smooth in its gradients, of which some are zero but for rounding."""
STILL = {"embd_pdrop": 0.0, "resid_pdrop": 0.0, "attn_pdrop": 0.0}
CASES = {
    "vit-gpt2": {**GPT2, "vocab_size": 384, **STILL},
    "trocr": {**TROCR, "vocab_size": 384, "dropout": 0.0, "pad_token_id": 0, "cross_attention_hidden_size": 36},
}
TEXTS = ["red", "a green square", "blue", "nothing at all"]
QUESTIONS = ["which?", "what is it?", "a colour?", "?"]


def written(folder, asked):
    """Pictures of noise, and rows about them."""
    folder.mkdir()
    rows = []
    for number, (text, question) in enumerate(zip(TEXTS, QUESTIONS, strict=True)):
        levels = np.random.default_rng(number).integers(0, 256, (17, 23, 3), dtype=np.uint8)
        Image.fromarray(levels).save(folder / f"{number}.png")
        rows.append({"image": f"{number}.png", "text": text} | ({"question": question} if asked else {}))
    return small.rows(folder / "rows.jsonl", rows)


def labelled(start, asked):
    """The labels of the texts, -100 where nothing is learned, and what the decoder reads where it is asked."""
    tokenizer, ids, labels = Tokenizer.bytes(), [], []
    for text, question in zip(TEXTS, QUESTIONS, strict=True):
        before = tokenizer.encode(f"{question}\n") if asked else []
        answer = [*tokenizer.encode(text), tokenizer.vocabulary.eos]
        ids.append([start, *before, *answer[:-1]])
        labels.append([-100] * len(before) + answer)
    longest = max(map(len, ids))
    padded = torch.tensor([one + [-100] * (longest - len(one)) for one in labels])
    return padded, torch.tensor([one + [0] * (longest - len(one)) for one in ids]) if asked else None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_the_stock_class(name, asked, tmp_path):
    stock = stock_model(name, VIT, CASES[name])
    stock.config.pad_token_id = 0
    processor = transformers.ViTImageProcessorPil(size={"height": 12, "width": 20})
    base = tmp_path / "base"
    for part in (stock, processor):
        part.save_pretrained(base)
    Tokenizer.bytes().save(base)
    rows = written(tmp_path / "rows", asked)
    words = ["precision=fp32", "batch_tokens=128", "data.length=32", "data.packing=pad", "budget_steps=3", "clip=0"]
    words += [
        f"optim.lr={RATE}",
        f"optim.eps={EPS}",
        "optim.weight_decay=0",
        "schedule=constant",
        "log_every_steps=1",
        "~budget_epochs",
    ]
    recipe = recipe_for("caption", base, [str(rows)], (), words)
    folder = run(recipe, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    images = [Image.open(tmp_path / "rows" / f"{number}.png") for number in range(len(TEXTS))]
    labels, ids = labelled(stock.config.decoder_start_token_id, asked)
    optimizer, wanted = torch.optim.AdamW(stock.parameters(), lr=RATE, betas=BETAS, eps=EPS, weight_decay=0.0), []
    for _ in range(STEPS):  # the stock class moves the labels itself, where it is not told what the decoder reads
        pixels = processor(images, return_tensors="pt")["pixel_values"]
        loss = stock(pixel_values=pixels, labels=labels, decoder_input_ids=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        wanted.append(loss.item())
    assert losses == pytest.approx(wanted, abs=1e-5) and wanted[-1] < wanted[0]
    stock.save_pretrained(tmp_path / "theirs")
    ours, theirs = (load_file(one / "model.safetensors") for one in (folder, tmp_path / "theirs"))
    assert {*ours} <= {*theirs}
    apart = {key: (tensor - theirs[key]).abs().max().item() for key, tensor in ours.items()}
    assert max(apart.values()) < 1e-5, max(apart.items(), key=lambda one: one[1])
    start = load_file(base / "model.safetensors")
    assert sum(not close(theirs[key], start[key]) for key in ours) > len(ours) * 0.9
