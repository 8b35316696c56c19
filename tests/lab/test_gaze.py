"""Where a model looks in a picture: the weights are those of its attention, and the page lays them over the picture."""

import re

import numpy as np
import pytest
import torch

import shapes
import small
from trivium.base.batch import Batch
from trivium.base.errors import ModelError
from trivium.infer.padding import sources_padded, tabled
from trivium.lab import page
from trivium.lab.gaze import Gaze, Look, gaze, lines, shade, write


@pytest.mark.parametrize("cross", [True, False])
def test_the_weights_are_shares_of_the_patches(cross):
    model = small.noisy(shapes.reader(cross))
    found = gaze(model, shapes.square("red", 3), "which?")
    assert (found.levels == shapes.square("red", 3)).all()
    assert len(found.looks) > 2
    assert found.text == model.generate("which?", images=[shapes.square("red", 3)])[0]
    for look in found.looks:
        assert look.weight.shape == (2, 2) and 0 < look.weight.sum() < 1
        assert look.aside == pytest.approx(1 - look.weight.sum())
        row, column, share = look.place
        assert look.weight[row - 1, column - 1] == pytest.approx(share) == look.weight.max()


def test_cross_attention_is_that_of_the_definition():
    model = small.noisy(shapes.reader())
    image = shapes.square("blue", 1)
    found = gaze(model, image)
    layer, transformer = model.transformer.decoder.blocks[0].cross, model.transformer
    (patches,), before = model.see([image]), model.layout().before(5)
    ids = [*before, *model.tokenizer.encode(found.text)][:2]
    seen = []
    handle = layer.q.register_forward_hook(lambda module, given, out: seen.append(out))
    batch = Batch(sources_padded([patches], transformer.device), tabled([ids], None, None, transformer), {})
    with torch.no_grad():
        transformer(batch)
        keys = layer.k(transformer.encode(batch.enc).states)[0].view(5, 2, -1)  # S H E
    handle.remove()
    queries = seen[0][0].view(len(ids), 2, -1)  # T H E
    scores = torch.einsum("the,she->hts", queries, keys) / keys.shape[-1] ** 0.5
    want = scores.softmax(dim=-1).mean(dim=0)[0]  # of the first token
    assert np.allclose(found.looks[0].weight.flatten(), want[1:].numpy(), atol=1e-5)
    assert found.looks[0].aside == pytest.approx(float(want[0]), abs=1e-5)


def test_lines_and_page(tmp_path, capsys):
    weight = np.array([[0.1, 0.5], [0.1, 0.2]])
    found = Gaze(shapes.square("red"), [Look("a<b", weight, 0.1)], "a<b")
    assert " ".join([*lines(found)][1].split()) == "a<b most at row 1, column 2: 50.0%; 10.0% beside the picture"
    write(found, "title", "why?", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "a&lt;b  50%" in text and "why?" in text and "<script" not in text
    assert len(re.findall(r'href="data:image/png;base64,', text)) == 3  # the picture alone, and with weights over it
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    over = shade(weight)
    assert over.shape == (2, 2, 4) and over[0, 1, 3] == 190 and over[0, 0, 3] == 38


def test_a_picture_in_a_page_is_the_picture(tmp_path):
    image = pytest.importorskip("PIL.Image")
    levels = shapes.square("green", 5)
    for one, shape in ((levels, levels), (levels[:, :, :1], np.repeat(levels[:, :, :1], 3, axis=2))):
        (tmp_path / "a.png").write_bytes(page.png(one))
        assert (np.asarray(image.open(tmp_path / "a.png").convert("RGB")) == shape).all()


def test_a_model_of_texts_has_nothing_to_look_at():
    with pytest.raises(ModelError, match="it reads no pictures"):
        gaze(small.model("bart"), shapes.square("red"))


def test_it_is_a_command(tmp_path, capsys):
    pytest.importorskip("PIL")
    from trivium.cli import run

    folder, out = small.noisy(shapes.reader()).save(tmp_path / "model"), tmp_path / "page.html"
    shapes.pictures(tmp_path, 1)
    words = ["show", str(folder), "--image", str(tmp_path / "0.png"), "--html", "-o", str(out)]
    assert run(words) == 0 and out.is_file()
    assert "beside the picture" in capsys.readouterr().out
    assert run(["show", str(folder), "--image", "a.png", "--attention", "text"]) == 2
    assert "leave one of them out" in capsys.readouterr().err
