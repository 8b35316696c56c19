"""Fine-tuning on captions beside the stock classes: the same losses, and the same weights after some steps."""

import json

import numpy as np
import pytest
import torch

import small
import trivium
from seen import GEMMA2, GPT2, SIGLIP, TROCR, VIT, stock_model
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
    "vit-gpt2": (VIT, {**GPT2, "vocab_size": 384, **STILL}),
    "trocr": (VIT, {**TROCR, "vocab_size": 384, "dropout": 0.0, "pad_token_id": 0, "cross_attention_hidden_size": 36}),
    "paligemma2": (SIGLIP, {**GEMMA2, "vocab_size": 385}),
}
PLACE, PATCHES = 384, 9
"""The image token of PaliGemma, and how often it stands there."""
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


def texts(name, start, asked):
    """The texts as the stock class takes them; its labels are -100 where nothing is learned."""
    tokenizer, ids, labels, kinds = Tokenizer.bytes(), [], [], []
    inside, vocabulary = name == "paligemma2", tokenizer.vocabulary
    for text, question in zip(TEXTS, QUESTIONS, strict=True):
        before = tokenizer.encode(f"{question}\n") if asked else []
        answer = [*tokenizer.encode(text), vocabulary.eos]
        if inside:  # the class moves the labels by one itself
            before = [*[PLACE] * PATCHES, vocabulary.bos, *before]
        ids.append([*before, *answer] if inside else [start, *before, *answer[:-1]])
        labels.append([-100] * len(before) + answer)
        kinds.append([0] * len(before) + [1] * len(answer))
    longest = max(map(len, ids))
    padded = {"labels": (labels, -100), "ids": (ids, 0), "kinds": (kinds, 1)}
    tables = {
        key: torch.tensor([one + [pad] * (longest - len(one)) for one in rows]) for key, (rows, pad) in padded.items()
    }
    if inside:
        mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in ids])
        return {"labels": tables["labels"], "input_ids": tables["ids"], "token_type_ids": tables["kinds"]} | {
            "attention_mask": mask
        }
    # Without a question the class makes of the labels what the decoder reads.
    return {"labels": tables["labels"]} | ({"decoder_input_ids": tables["ids"]} if asked else {})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_the_stock_class(name, asked, tmp_path):
    stock = stock_model(name, *CASES[name])
    stock.config.pad_token_id = 0
    if inside := name == "paligemma2":
        stock.config.image_token_id = PLACE
    kind = transformers.SiglipImageProcessorPil if inside else transformers.ViTImageProcessorPil
    processor = kind(size={"height": 12, "width": 12 if inside else 20})
    base = tmp_path / "base"
    for part in (stock, processor):
        part.save_pretrained(base)
    Tokenizer.bytes().save(base)
    rows = written(tmp_path / "rows", asked)
    words = ["precision=fp32", "batch_tokens=160", "data.length=40", "data.packing=pad", "budget_steps=3", "clip=0"]
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
    given = texts(name, getattr(stock.config, "decoder_start_token_id", None), asked)
    optimizer, wanted = torch.optim.AdamW(stock.parameters(), lr=RATE, betas=BETAS, eps=EPS, weight_decay=0.0), []
    for _ in range(STEPS):
        pixels = processor(images, return_tensors="pt")["pixel_values"]
        loss = stock(pixel_values=pixels, **given).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        wanted.append(loss.item())
    assert losses == pytest.approx(wanted, abs=1e-5) and wanted[-1] < wanted[0]
    stock.save_pretrained(tmp_path / "theirs")
    ours, theirs, start = (trivium.load(one).transformer.state_dict() for one in (folder, tmp_path / "theirs", base))
    apart = {key: (tensor - theirs[key]).abs().max().item() for key, tensor in ours.items()}
    assert max(apart.values()) < 1e-5, max(apart.items(), key=lambda one: one[1])
    assert sum(not close(theirs[key], start[key]) for key in ours) > len(ours) * 0.9
