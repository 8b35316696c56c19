"""A model that reads pictures learns what to write of them, and is asked through every door alike."""

import json

import numpy as np
import pytest

import small
import trivium
from shapes import COLOURS, reader, seer, square, world
from tolerance import close
from trivium.base.errors import ConfigError, ModelError
from trivium.cli import run
from trivium.task.finetune import finetune, recipe_for
from trivium.task.run import run as train

pytest.importorskip("PIL")
FAST = [*small.FAST, "budget_epochs=16", "optim.lr=4e-3", "data.packing=pad"]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    home = tmp_path_factory.mktemp("caption")
    files, base = world(home / "rows"), reader().save(home / "base")
    file = str(files["text"])
    folder, found = finetune("caption", recipe_for("caption", base, [file], [file], FAST), home / "run")
    return home, files, folder, found


def test_it_learns_and_is_measured(tuned):
    _, _, folder, found = tuned
    assert found["rows"] == 24 and found["exact_match"] == 1.0
    model = trivium.load(folder)
    assert model.record["task"] == "caption" and model.record["evaluation"]["caption"]["exact_match"] == 1.0
    assert model.processor == reader().processor


def test_every_door_says_the_same(tuned, capsys):
    home, files, folder, _ = tuned
    model = trivium.load(folder)
    paths = [home / "rows" / f"{n}.png" for n in range(3)]
    said = model.generate(images=paths)
    assert said == [*COLOURS]
    from PIL import Image

    assert model.generate(images=[Image.open(paths[0]), paths[1].read_bytes(), square("blue", 2)]) == said
    assert model.generate(images=paths, num_beams=2) == said
    assert "".join(model.stream(image=paths[1])) == said[1]
    capsys.readouterr()
    assert run(["generate", str(folder), "--image", str(paths[1])]) == 0
    assert capsys.readouterr().out == f"{said[1]}\n"
    assert run(["generate", str(folder), *(word for path in paths for word in ("--image", str(path)))]) == 0
    assert capsys.readouterr().out.split() == said
    assert run(["predict", str(folder), "--input", str(files["text"])]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == [{"image": f"{n}.png", "text": text} for n, text in enumerate(said)] and len(lines) == 24
    assert run(["evaluate", str(folder), "--data", str(files["text"])]) == 0
    assert "exact_match  1.0000" in capsys.readouterr().out


def test_a_text_beside_others_is_the_text_alone(tuned):
    _, _, folder, _ = tuned
    model = trivium.load(folder)
    pixels = np.random.default_rng(0).integers(0, 255, (5, 16, 16, 3)).astype(np.uint8)
    small.noisy(model)
    many = model.generate(images=[*pixels], max_new_tokens=6, exact=True)
    assert many == [model.generate(images=[one], max_new_tokens=6, exact=True)[0] for one in pixels]


@pytest.mark.slow
def test_questions_are_answered(tmp_path):
    files, base = world(tmp_path / "rows"), reader().save(tmp_path / "base")
    file, words = str(files["question"]), [*FAST, "budget_epochs=50"]
    folder, found = finetune("caption", recipe_for("caption", base, [file], [file], words), tmp_path / "run")
    assert found["exact_match"] == 1.0
    model = trivium.load(folder)
    assert model.generate("which?", images=[square("red", 0)]) == ["red"]
    assert model.generate(["which?", "a square?"], images=[square("blue", 2)] * 2) == ["blue", "yes"]


@pytest.mark.parametrize("packing", ["bestfit", "pad"])
def test_resuming_and_packing_see_the_same_pictures(tmp_path, packing):
    from trivium.task.feed import open_rows
    from trivium.task.start import start_model

    files, base = world(tmp_path / "rows", 8), reader().save(tmp_path / "base")
    words = [f"data.packing={packing}", "data.augment.noise=0.1", "data.length=32"]
    recipe = recipe_for("caption", base, [str(files["text"])], [str(files["text"])], words)
    model = start_model(recipe)
    (rows, valid), (again, _) = (open_rows(recipe, model, 32) for _ in range(2))
    assert rows.late
    for index in range(rows.size(1)):
        for one, same in zip(rows.row(1, index), again.row(1, index), strict=True):
            assert np.array_equal(one.enc, same.enc)
    plain = {one.enc.tobytes() for index in range(valid[0].size(0)) for one in valid[0].row(0, index)}
    assert plain == {model.reader(tmp_path / "rows" / f"{n}.png").values.tobytes() for n in range(8)}  # never changed


@pytest.mark.parametrize("task", ["caption", "classify"])
def test_adapters_are_learned_kept_and_merged(task, tmp_path):
    made, rows = (reader(), "text") if task == "caption" else (seer(), "label")
    files, base = world(tmp_path / "rows", 6), made.save(tmp_path / "base")
    words = [*small.FAST, "budget_epochs=2", "lora.rank=2"]
    merged, _ = finetune(task, recipe_for(task, base, [str(files[rows])], (), words), tmp_path / "run")
    before, after, beside = (
        trivium.load(one).transformer.state_dict() for one in (base, merged, tmp_path / "run" / "adapter")
    )
    changed = {name.split(".")[-2] for name in before if not before[name].equal(after[name])}
    assert changed == {"q", "k", "v", "o", "up", "down"}
    assert beside.keys() == after.keys() and all(close(beside[name], value) for name, value in after.items())


@pytest.mark.parametrize("form", ["file", "folder"])
def test_a_run_is_not_resumed_on_a_picture_that_has_changed(form, tmp_path):
    files, base = world(tmp_path / "rows", 6), reader().save(tmp_path / "base")
    for number, colour in enumerate(2 * [*COLOURS]):
        (tmp_path / "rows" / f"{number}.txt").write_text(colour)
    data, first = str(files["text"] if form == "file" else tmp_path / "rows"), tmp_path / "rows" / "1.png"

    def draw(seed):
        from PIL import Image

        Image.fromarray(square("green", seed)).save(first, compress_level=0)
        return first.stat().st_size

    size = draw(1)
    recipe = recipe_for("caption", base, [data], (), [*small.FAST, "budget_epochs=1"])
    train(recipe, tmp_path / "run")
    train(recipe, tmp_path / "run", resume=True)
    assert draw(4) == size
    with pytest.raises(ConfigError, match=r"recipe\.json: data was '\w+' and is now '\w+'; a resumed run must not"):
        train(recipe, tmp_path / "run", resume=True)
    draw(1)
    train(recipe, tmp_path / "run", resume=True)


def test_a_model_without_a_tokenizer_classifies(tmp_path):
    files, base = world(tmp_path / "rows"), seer().save(tmp_path / "base")
    file = str(files["label"])
    folder, found = finetune(
        "classify",
        recipe_for("classify", base, [file], [file], [*FAST, "batch_tokens=1024", "budget_epochs=16", "optim.lr=2e-3"]),
        tmp_path / "run",
    )
    assert found["accuracy"] == 1.0
    model = trivium.load(folder)
    (scores,) = model.classify([square("green", 1)])
    assert max(scores, key=scores.get) == "green"
    assert model.processor.class_token


def told(capsys, *words):
    assert run([*words]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and line.startswith("error: ")
    return line


def test_what_does_not_fit_is_one_line(tuned, tmp_path, capsys):
    home, files, folder, _ = tuned
    text = small.folder(tmp_path, "bart")
    picture = str(home / "rows" / "0.png")
    assert "it reads no pictures" in told(capsys, "generate", str(text), "--image", picture)
    assert "it reads pictures: give one" in told(capsys, "generate", str(folder), "--prompt", "a")
    assert "expected --prompt, or --image" in told(capsys, "generate", str(folder))
    assert "no such picture" in told(capsys, "generate", str(folder), "--image", "missing.png")
    (tmp_path / "bad.png").write_bytes(b"x")
    assert "found another file" in told(capsys, "generate", str(folder), "--image", str(tmp_path / "bad.png"))
    for task in ("caption", "chat"):
        rows = str(files["text"])
        base = str(text if task == "caption" else folder)
        line = told(capsys, "finetune", task, "-m", base, "-d", rows, "-o", str(tmp_path / "run"))
        assert "pictures" in line
    with pytest.raises(ModelError, match="prompts: expected one, or one for each of 2 pictures, found 3"):
        trivium.load(folder).generate(["a", "b", "c"], images=[square("blue")] * 2)
    with pytest.raises(ConfigError, match="image: the model reads no pictures"):
        finetune("classify", recipe_for("classify", text, [str(files["label"])], (), ["image.patch=8"]), tmp_path / "r")


def test_a_broken_picture_ends_the_run_before_it_begins(tuned, tmp_path, capsys):
    _, _, folder, _ = tuned
    files = world(tmp_path / "rows", 9)
    whole = (tmp_path / "rows" / "4.png").read_bytes()
    (tmp_path / "rows" / "4.png").write_bytes(whole[: len(whole) // 2])
    rows = str(files["text"])
    line = told(capsys, "finetune", "caption", "-m", str(folder), "-d", rows, "-o", str(tmp_path / "run"))
    assert f"{rows}:5: image 4.png: expected a whole picture, found a broken one: " in line
    assert not list(tmp_path.glob("run/model"))
    assert f"{rows}:5: image 4.png" in told(capsys, "predict", str(folder), "--input", rows)
    assert run(["predict", str(folder), "--input", rows, "--skip-bad"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 8 and "1 rows: row that does not fit: image: expected a whole picture" in err
