"""The processor of a folder: stock tools and we read the same file, and see the same pixels."""

import json

import numpy as np
import pytest
import torch

import shapes
import small
import trivium
from drawn import colours
from patches import pixels
from trivium.base.errors import ModelError
from trivium.image.processor import CONFIG, ImageProcessor

pytest.importorskip("PIL")


def test_stock_tools_see_the_same_pixels(tmp_path):
    transformers = pytest.importorskip("transformers")
    model = shapes.seer()
    model.processor = model.processor.replace(resample="bicubic", mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    folder = model.save(tmp_path / "model")
    source = colours(50, 30)
    stock = transformers.ViTImageProcessorPil.from_pretrained(folder)
    want = np.array(stock(source)["pixel_values"][0])
    loaded = trivium.load(folder)
    assert loaded.processor == model.processor
    found = pixels(loaded.config.pictures, loaded.reader(source)).numpy()
    assert np.abs(found - want).max() < 1e-6
    theirs = tmp_path / "theirs"  # what they write, without a word of ours
    folder.rename(theirs)
    (theirs / "trivium.json").unlink()
    (theirs / CONFIG).unlink()
    stock.save_pretrained(theirs)
    assert trivium.load(theirs).processor == model.processor


def test_what_stock_tools_cannot_say_is_in_trivium_json_alone(tmp_path):
    model = shapes.seer()
    model.processor = ImageProcessor(height=16, max_width=16, patch=8, class_token=True)
    folder = model.save(tmp_path / "model")
    assert not (folder / CONFIG).exists()
    assert json.loads((folder / "trivium.json").read_text())["image"]["max_width"] == 16
    assert trivium.load(folder).processor == model.processor


def test_a_folder_without_a_processor_is_told_and_a_strange_one_refused(tmp_path, capsys):
    folder = shapes.seer().save(tmp_path / "model")
    (folder / "trivium.json").unlink()
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).unlink()
    assert trivium.load(folder).processor == shapes.seer().processor
    assert f"no {CONFIG}" in capsys.readouterr().err
    for tree, told in (({**config, "do_center_crop": True}, "do_center_crop"), ([], "expected a table")):
        (folder / CONFIG).write_text(json.dumps(tree))
        with pytest.raises(ModelError, match=f"{CONFIG}: .*{told}"):
            trivium.load(folder)


def test_stock_tools_write_the_same_of_a_picture(tmp_path):
    transformers = pytest.importorskip("transformers")
    model = small.noisy(shapes.reader())
    folder = model.save(tmp_path / "model")
    stock = transformers.VisionEncoderDecoderModel.from_pretrained(folder).eval()
    seen = transformers.ViTImageProcessorPil.from_pretrained(folder)
    for source in (shapes.square("red", 3), colours(40, 30)):
        pixel_values = torch.from_numpy(np.array(seen(source)["pixel_values"]))
        ids = stock.generate(pixel_values, max_new_tokens=12, do_sample=False, num_beams=1)[0].tolist()
        want = model.tokenizer.decode(ids, skip_special=True)
        assert trivium.load(folder).generate(images=[source], max_new_tokens=12) == [want] and want


def test_a_processor_that_stock_tools_wrote_with_its_tokenizer_is_read(tmp_path):
    transformers = pytest.importorskip("transformers")
    folder = shapes.reader().save(tmp_path / "model")
    for name in ("trivium.json", CONFIG):
        (folder / name).unlink()
    seen = transformers.ViTImageProcessorPil(size={"height": 16, "width": 16}, resample=3, image_mean=[0.1, 0.2, 0.3])
    transformers.TrOCRProcessor(seen, transformers.AutoTokenizer.from_pretrained(folder)).save_pretrained(folder)
    assert not (folder / CONFIG).exists(), "transformers 5 writes one file for both"
    found = trivium.load(folder).processor
    assert found == ImageProcessor.of_stock(seen.to_dict(), 8, True) and found.resample == "bicubic"
    other = {"do_center_crop": True, "size": 16}
    (folder / CONFIG).write_text(json.dumps(other))  # stock tools read the newer file first, and so do we
    stock = transformers.AutoImageProcessor.from_pretrained(folder)
    assert stock.resample == 3 and trivium.load(folder).processor == found
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": other}))
    with pytest.raises(ModelError, match=r"processor_config\.json: .*do_center_crop"):
        trivium.load(folder)
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": []}))
    with pytest.raises(ModelError, match=r"processor_config\.json: image_processor: expected a table, found list"):
        trivium.load(folder)
