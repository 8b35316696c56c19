"""Vectors, scores and fillings do not depend on the texts beside them."""

import numpy as np
import pytest
import torch

import shapes
import small
import trivium
from trivium.base.batch import Stream
from trivium.base.errors import ConfigError, ModelError
from trivium.base.types import Example
from trivium.image.processor import ImageProcessor
from trivium.infer.read import embed, fill, scores

ROWS = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14]] * 15


@pytest.mark.parametrize("preset", ["bert", "t5", "llama"])
@pytest.mark.parametrize("pool", [None, "mean", "first", "last"])
def test_a_vector_does_not_depend_on_the_rows_beside_it(preset: str, pool: str | None) -> None:
    transformer = trivium.build(preset, depth=1, vocab_size=32).transformer
    together = embed(transformer, ROWS, pool)
    assert together.shape == (45, 64) and torch.allclose(together.norm(dim=-1), torch.ones(45))
    for at in (0, 1, 2, 44):
        assert torch.allclose(embed(transformer, [ROWS[at]], pool)[0], together[at], atol=1e-5)


def test_without_normalising_it_is_what_the_pool_says() -> None:
    transformer = trivium.build("bert", depth=1, vocab_size=32).transformer
    ids, shape = torch.tensor([[3, 4, 5]]), torch.arange(3)[None]
    with torch.no_grad():
        hidden = transformer.encode(Stream(ids, shape, torch.ones_like(ids))).states
    for pool, expected in ((None, hidden[0].mean(0)), ("first", hidden[0, 0]), ("last", hidden[0, 2])):
        assert torch.allclose(embed(transformer, ids.tolist(), pool, normalise=False)[0], expected, atol=1e-6)


def test_a_bert_without_a_head_is_read_and_written(tmp_path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is the oracle of this test")
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    model = transformers.BertModel(config).eval()
    model.save_pretrained(tmp_path / "stock")
    ours = trivium.load(tmp_path / "stock")
    ids = torch.randint(5, 50, (2, 7))
    with torch.no_grad():
        said = model(ids).last_hidden_state
    assert torch.allclose(ours.hidden(ids), said, atol=1e-5)
    assert torch.allclose(embed(ours.transformer, ids.tolist(), normalise=False), said.mean(1), atol=1e-5)
    ours.save(tmp_path / "ours")
    again = transformers.AutoModel.from_pretrained(tmp_path / "ours").eval()
    with torch.no_grad():
        assert torch.allclose(again(ids).last_hidden_state, said, atol=1e-5)


@pytest.mark.parametrize(("kind", "shape"), [("classify", (3,)), ("tag", (5, 3)), ("span", (5, 2))])
def test_each_text_is_scored_as_alone(kind, shape):
    model = small.model("bert")
    model.equip(kind, ("a", "b", "c") if kind != "span" else ("start", "end"))
    texts = [Example(enc=np.arange(3, 3 + size)) for size in (5, 30, 2, 17)]
    together = scores(model.transformer, texts)
    alone = [scores(model.transformer, [text])[0] for text in texts]
    assert together[0].shape == shape
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(together, alone, strict=True))


def test_the_model_goes_on_training_afterwards():
    model = small.model("llama")
    model.transformer.train()
    found = scores(model.transformer, [Example(dec=np.arange(3, 9))])
    assert model.transformer.training and found[0].shape == (6, 384)


MASK = 4


def test_guesses_are_the_most_likely_at_each_gap() -> None:
    model = trivium.build("bert", depth=1, vocab_size=40)
    ids = [1, 9, MASK, 11, MASK, 2]
    guesses = fill(model.transformer, ids, MASK, top=3)
    expected = model.logits([ids])[0, [2, 4]].softmax(-1).topk(3)
    assert [[g.id for g in gap] for gap in guesses] == expected.indices.tolist()
    assert torch.allclose(torch.tensor([[g.probability for g in gap] for gap in guesses]), expected.values, atol=1e-6)
    assert all(g.id < 10 for gap in fill(model.transformer, ids, MASK, top=10, vocabulary=10) for g in gap)


def test_what_cannot_be_filled_is_told() -> None:
    with pytest.raises(ConfigError, match="no mask"):
        fill(trivium.build("bert", depth=1, vocab_size=40).transformer, [1, 2, 3], MASK)
    with pytest.raises(ModelError, match="needs an encoder"):
        fill(trivium.build("llama", depth=1, vocab_size=40).transformer, [MASK], MASK)
    with pytest.raises(ModelError, match="needs a head"):
        fill(trivium.build("bert", depth=1, vocab_size=40, head="none").transformer, [MASK], MASK)


def test_a_processor_agrees_with_the_model():
    model = shapes.reader()
    assert model.processor == ImageProcessor(height=16, width=16, patch=8, class_token=True)
    model.processor = model.processor.replace(resample="bicubic", width=8)
    assert model.record["image"]["width"] == 8 and model.processor.resample == "bicubic"
    line = {"height": 16, "max_width": 16, "patch": 8, "class_token": True}
    model.processor = ImageProcessor(**line)
    assert model.processor.width is None
    for wrong, told in (({"patch": 16}, "image.patch: expected 8"), ({"height": 24}, "at most 16 x 16 pixels")):
        with pytest.raises(ModelError, match=told):
            model.processor = ImageProcessor(**{**line, **wrong})
    with pytest.raises(ModelError, match="it reads no pictures"):
        _ = small.model("bert").processor


def test_a_picture_of_another_ratio_is_told_by_its_number(capsys):
    pytest.importorskip("PIL")
    model = shapes.reader()
    wide = np.zeros((8, 16, 3), np.uint8)
    seen = model.see([wide, shapes.square("red"), wide])
    assert capsys.readouterr().err == "2 of 3 pictures are resized to another ratio of height and width\n"
    assert model.see(seen) == seen and not capsys.readouterr().err  # patches stay as they are


def test_an_encoder_of_pictures_labels_them_alike_alone_and_together():
    model = shapes.seer()
    model.equip("classify", ["a", "b", "c"])
    images = [shapes.square(colour, n) for n, colour in enumerate(shapes.COLOURS)]
    together = model.classify(images)
    for image, found in zip(images, together, strict=True):
        assert model.classify([image])[0] == pytest.approx(found, abs=1e-5) and sum(found.values()) == pytest.approx(1)


def test_texts_that_are_cut_are_counted(capsys) -> None:
    """A text that fits has its own vector and label; of a longer one only what fits counts, and a line says so."""
    model = small.model("bert", context=16)
    vectors = model.embed(["short", "x" * 14, "a" * 15, "a" * 14 + "b" * 40])
    told = capsys.readouterr().err
    assert told.count("warning: 2 texts are longer than the 16 tokens that are read: what comes after was cut") == 1
    assert torch.equal(vectors[2], vectors[3])
    model.equip("classify", ["no", "yes"])
    model.classify(["short", ("one", "two")])
    assert not capsys.readouterr().err
    model.classify(["short", "a" * 50, ("b" * 20, "c" * 20)])
    assert "warning: 2 texts are longer than the 16 tokens" in capsys.readouterr().err
