"""Folders that an earlier version wrote say today what they said that day, or are refused by name.

`kept/format-1` holds small folders and, in computed.json, what the code of that day computed with them. Never write
these files anew: a later format gets a folder of its own.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch

import trivium
from trivium.base.config import parse
from trivium.base.errors import ConfigError, DataError, ModelError
from trivium.base.version import FORMAT
from trivium.data.shards import Corpus
from trivium.task.run import run
from trivium.train.recipe import Recipe

KEPT = Path(__file__).parent / "kept"
COMPUTED = json.loads((KEPT / "format-1" / "computed.json").read_text())
MODELS = sorted(set(COMPUTED) - {"run"})
IDS = torch.tensor([[1, 70, 71, 72, 73, 100, 101]])


def unpacked(name: str, path: Path) -> Path:
    shutil.unpack_archive(KEPT / "format-1" / f"{name}.zip", path / name)
    return path / name


@pytest.mark.parametrize("name", MODELS)
def test_a_model_computes_what_it_computed(name, tmp_path, monkeypatch):
    monkeypatch.chdir(unpacked("llama", tmp_path).parent)  # the base of the adapter
    folder = unpacked(name, tmp_path) if name != "llama" else tmp_path / name
    model, expected = trivium.load(folder), dict(COMPUTED[name])
    text, config = "ab c", model.config
    both = config.family == "encoder_decoder"
    found = {"encode": model.encode(text), "embed": model.embed([text])[0].tolist()}
    if config.head.kind in ("lm", "mlm"):
        found["logits"] = model.logits(IDS, decoder_input_ids=IDS if both else None)[0, -1, 60:80].tolist()
    if config.decoder is not None and config.head.kind == "lm":
        found["generate"] = model.generate([text], max_new_tokens=8)
        found["ids"] = model.generate([found["encode"]], max_new_tokens=8)
        if "chat" in expected:
            found["chat"] = model.chat([{"role": "user", "content": text}], max_new_tokens=8)
    if config.head.kind == "mlm":
        found["fill"] = [[guess for guess, _ in gap] for gap in model.fill("ab [MASK] c", 3)]
    if config.head.kind == "classify":
        found["classify"] = list(model.classify([text])[0].values())
    assert found.keys() == expected.keys() - {"stock"}
    if name == "translate":  # `predict` asked it as it was tuned, and as `generate` does now: by its template
        found.pop("encode"), found.pop("ids")
        expected["generate"] = [expected["chat"]]
    for what, value in found.items():
        wanted = expected[what]
        assert value == (wanted if isinstance(value[0], int | str | list) else pytest.approx(wanted, abs=2e-4)), what


def test_a_model_saved_again_says_the_same(tmp_path):
    for name, kind in (("sinusoid", "m2m100"), ("marian", "sinusoid")):
        model = trivium.load(unpacked(name, tmp_path))
        again = trivium.load(model.save(tmp_path / "again"))
        assert again.config == model.config and model.config.decoder.position[0].kind == kind
        assert json.loads((tmp_path / "again" / "trivium.json").read_text())["format"] == FORMAT


def test_a_run_goes_on_to_the_numbers_of_that_day(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    unpacked("data", tmp_path), unpacked("run", tmp_path)
    assert len(Corpus("data", "train")) > 0
    tree = json.loads(Path("run/recipe.json").read_text())
    assert "format" not in tree, "the first format had no number"
    run(parse(Recipe, tree["recipe"]), Path("run"), resume=True)
    lines = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    for key, name in (("loss", "losses"), ("valid_loss", "valid")):
        assert [line[key] for line in lines if key in line] == pytest.approx(COMPUTED["run"][name], abs=2e-4)
    assert [line["tokens"] for line in lines if "tokens" in line][-1] == COMPUTED["run"]["tokens"]
    assert json.loads(Path("run/recipe.json").read_text())["format"] == FORMAT


@pytest.mark.parametrize(("found", "why"), [(FORMAT + 1, "a later version wrote it"), ("x", "it is damaged")])
def test_what_a_later_version_wrote_is_refused_by_name(found, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def change(file):
        file.write_text(json.dumps({**json.loads(file.read_text()), "format": found}))

    told = f"format: expected a number from 1 to {FORMAT}, found {found!r}; {why}"
    change(unpacked("llama", tmp_path) / "trivium.json")
    with pytest.raises(ModelError, match=rf"trivium\.json: {told}"):
        trivium.load("llama")
    data, folder = unpacked("data", tmp_path), unpacked("run", tmp_path)
    recipe = parse(Recipe, json.loads((folder / "recipe.json").read_text())["recipe"])
    before = (folder / "checkpoints" / "step-00000002" / "manifest.json").read_text()
    change(folder / "checkpoints" / "step-00000002" / "manifest.json")
    with pytest.raises(ModelError, match=rf"step-00000002/manifest\.json: {told}"):
        run(recipe, folder, resume=True)
    (folder / "checkpoints" / "step-00000002" / "manifest.json").write_text(before)
    change(folder / "recipe.json")
    with pytest.raises(ConfigError, match=rf"recipe\.json: {told}"):
        run(recipe, folder, resume=True)
    change(data / "manifest.json")
    with pytest.raises(DataError, match=rf"manifest\.json: {told}"):
        Corpus(data, "train")
