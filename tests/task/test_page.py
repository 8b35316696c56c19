"""The model has learned nothing here: what is tested is which lines it is given, and how its answers come back."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import trivium
from shapes import seer
from trivium.base.errors import ModelError
from trivium.cli import run
from trivium.image.lines.face import shipped
from trivium.image.processor import ImageProcessor
from trivium.task.page import confidences, read_page
from trivium.token.tokenizer import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ["the first line of a page", "the second", "and the last one"]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    sides = {"patch": 32, "patch_width": 8, "channels": 1, "class_token": False}
    encoder = {"layers": 1, "heads": 2, "hidden_size": 16, "embed": {"kind": "patches", "size": [1, 64], **sides}}
    encoder["position"] = "sinusoid"
    made = trivium.build(
        "vit-gpt2", encoder=encoder, decoder={"layers": 1, "heads": 2}, vocab_size=384, context=16, hidden_size=16
    )
    made.tokenizer = Tokenizer.bytes()
    made.processor = ImageProcessor(height=32, width=None, max_width=512, **sides)
    return made


@pytest.fixture
def page(tmp_path):
    sheet = Image.new("RGB", (420, 160), (240, 240, 250))
    for number, text in enumerate(TEXTS):
        pen, font = ImageDraw.Draw(sheet), shipped()[0].sized(20)
        pen.text((20, 20 + 40 * number), text, fill=(10, 10, 60), font=font)
    sheet.save(tmp_path / "page.png")
    return tmp_path / "page.png"


def test_every_line_of_a_page_is_read_alone_and_in_order(model, page):
    found = read_page(model, page)
    assert len(found) == len(TEXTS) and [one.box.top for one in found] == sorted(one.box.top for one in found)
    grey = np.asarray(Image.open(page).convert("L"))
    for one in found:
        left, top, right, bottom = one.box
        around = round(0.2 * (bottom - top))
        cut = grey[top - around : bottom + around, left - around : right + around]
        assert one.text == model.generate(images=[cut], max_new_tokens=8)[0]
        assert 0 < one.confidence < 1


def test_confidence_is_the_mean_probability_of_the_tokens(model):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (32, 40), dtype=np.uint8), rng.integers(0, 256, (32, 88), dtype=np.uint8)]
    texts = ["ab", "cde"]
    for image, text, found in zip(images, texts, confidences(model, images, texts), strict=True):
        layout = model.layout()
        pixels = torch.from_numpy(image.astype(np.float32) / 255)[None, None] * 2 - 1
        answer = layout.answer(text)
        logits = model.logits(pixel_values=pixels, decoder_input_ids=[[layout.start, *answer[:-1]]])[0]
        chosen = logits.log_softmax(-1)[range(len(answer)), answer]
        assert found == pytest.approx(float(chosen.mean().exp()), rel=1e-4)


def test_the_command_prints_texts_or_json(model, page, tmp_path, capsys):
    folder = str(model.save(tmp_path / "model"))
    found = read_page(model, page)
    capsys.readouterr()
    assert run(["read", str(page), "--model", folder]) == 0
    assert capsys.readouterr().out == "".join(f"{one.text}\n" for one in found)
    assert run(["read", str(page), "--model", folder, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in rows] == [one.text for one in found] and {row["page"] for row in rows} == {str(page)}
    assert [row["box"] for row in rows] == [list(one.box) for one in found]
    assert run(["read", str(tmp_path / "none.png"), "--model", folder]) == 2
    assert "none.png: no such picture" in capsys.readouterr().err


def test_a_model_that_writes_nothing_of_pictures_is_refused(page):
    with pytest.raises(ModelError, match="expected a model that writes what stands in pictures"):
        read_page(seer(), page)


def test_a_recipe_alone_trains_a_reader_on_drawn_lines(tmp_path, capsys):
    """It is evaluated without being told its task, and its folder reads a page."""
    (tmp_path / "a.txt").write_text("some words that stand in a file, to be drawn in lines of ten signs and more. " * 9)
    words = ["data.path=lines:clean:train:24", "data.valid=lines:hard:train:4", "data.rows.lines.held_out=1e-9"]
    words += [f'data.rows.lines.text=["{(tmp_path / "a.txt").as_posix()}"]', "~budget_minutes", "budget_steps=2"]
    words += ["model.hidden_size=32", "model.encoder.layers=1", "model.decoder.layers=1", "batch_tokens=512"]
    recipe = str(ROOT / "recipes" / "reader.toml")
    assert run(["train", recipe, *words, "-o", str(tmp_path / "run")]) == 0
    again = trivium.load(tmp_path / "run")
    assert again.record["task"] == "caption" and again.processor.patch_width == 4 and again.config.tie
    page = Image.new("L", (200, 60), 255)
    ImageDraw.Draw(page).text((10, 20), "ten words", fill=0, font=shipped()[0].sized(20))
    assert len(read_page(again, np.asarray(page))) == 1
    capsys.readouterr()
    lines = [*words[3:4], "lines.held_out=1e-9"]
    lines[0] = lines[0].removeprefix("data.rows.")
    assert run(["evaluate", str(tmp_path / "run"), "--data", "lines:worn:train:3", *lines]) == 0
    assert "rows         3" in capsys.readouterr().out
