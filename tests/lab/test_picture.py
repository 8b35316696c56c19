"""The picture shows what the metrics say, and a run cut short can still be drawn."""

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from trivium.base.errors import DataError, TriviumError
from trivium.lab import picture


@pytest.fixture
def metrics(tmp_path):
    path = tmp_path / "run" / "metrics.jsonl"
    path.parent.mkdir()
    rows = [{"step": step, "tokens": step * 4096, "loss": 8 / step + 1, "lr": 1e-3} for step in range(1, 51)]
    rows += [{"step": step, "valid_loss": 8 / step + 1.2} for step in (25, 50)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_reads_training_and_validation(metrics):
    curve = picture.read(metrics)
    assert curve.steps == list(range(1, 51)) and curve.losses[0] == 9 and curve.tokens[-1] == 50 * 4096
    assert curve.valid_steps == [25, 50] and curve.valid_losses == [8 / 25 + 1.2, 8 / 50 + 1.2]


def test_resumed_steps_and_bad_numbers(metrics):
    with metrics.open("a", encoding="utf-8") as handle:
        handle.write('{"step": 50, "loss": 0.5}\n{"step": 51, "loss": NaN}\n{"step": 52, "loss": null}\n')
    curve = picture.read(metrics)
    assert curve.steps[-1] == 50 and curve.losses[-1] == 0.5


def test_half_written_last_line_is_skipped(metrics):
    whole = picture.read(metrics)
    with metrics.open("a", encoding="utf-8") as handle:
        handle.write('{"step": 51, "lo')
    assert picture.read(metrics) == whole


def test_broken_line_in_the_middle_is_an_error_with_its_number(metrics):
    metrics.write_text('{"step": 1, "loss": 2}\n{"st\n{"step": 2, "loss": 1}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"metrics\.jsonl: line 2: expected a JSON object"):
        picture.read(metrics)


def test_missing_or_empty_metrics(tmp_path):
    with pytest.raises(DataError, match="cannot read metrics"):
        picture.loss_curve(tmp_path / "metrics.jsonl", tmp_path / "loss.png")
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(DataError, match="no loss to draw yet"):
        picture.loss_curve(tmp_path / "metrics.jsonl", tmp_path / "loss.png")
    assert not (tmp_path / "loss.png").exists()


@pytest.mark.parametrize("n", [1, 2, 3, 40])
def test_smoothing_keeps_lines_and_means(n):
    line = np.arange(n, dtype=float)
    assert picture.smooth(np.full(n, 3.0), 4) == pytest.approx(np.full(n, 3.0))
    smooth = picture.smooth(line, 4)
    assert smooth[: n - 4] == pytest.approx(line[: n - 4])  # no lag
    assert smooth[-1] == pytest.approx(line[-5:].mean())  # the end is an average, not a single noisy step


@pytest.mark.parametrize("floors", [None, {"unigram": 6.0, "trigram": 4.0}])
def test_draws_a_run(metrics, tmp_path, floors):
    picture.loss_curve(metrics, tmp_path / "loss.png", floors, "a title")
    head = (tmp_path / "loss.png").read_bytes()[:24]
    assert head.startswith(b"\x89PNG") and struct.unpack(">II", head[16:]) == (1200, 720)


def test_losses_of_different_targets_have_scales_of_their_own(metrics, tmp_path, monkeypatch):
    low = tmp_path / "low" / "metrics.jsonl"
    low.parent.mkdir()
    low.write_text("".join(f'{{"step": {step}, "loss": {0.1 + 0.1 / step}}}\n' for step in range(1, 9)))
    drawn = []
    monkeypatch.setattr(picture, "save", lambda figure, out: drawn.append(figure))
    picture.loss_panels({"decoder": [metrics, low], "encoder": [low]}, tmp_path / "loss.png")
    both, one = drawn[0].axes
    assert (both.get_title(), one.get_title()) == ("decoder", "encoder")
    assert both.get_ylim()[1] > 5 and one.get_ylim()[1] < 0.3
    assert {text.get_text() for text in both.get_legend().get_texts()} > {"run: training", "low: training"}
    assert [text.get_text() for text in one.get_legend().get_texts()] == ["training"]


@pytest.mark.parametrize(
    ("tokens", "told"),
    [(3670, "3,670 tokens"), (2_500_000, "2.50 million tokens"), (7_123_000_000, "7.12 billion tokens")],
)
def test_the_tokens_of_a_run_are_told(tokens, told):
    assert picture._steps_label([picture.Curve([1], [2.0], [tokens])]) == f"optimizer step ({told} in all)"


def test_window_holds_floors_and_cuts_spikes():
    curve = picture.Curve(list(range(1000)), [2.0] * 999 + [500.0], [0] * 1000)
    low, high = picture._window([curve], {"unigram": 6.0, "trigram": 1.0})
    assert low < 1 and 6 < high < 10


def test_a_picture_that_cannot_be_written_is_one_line(metrics, tmp_path):
    (tmp_path / "loss.png").mkdir()
    with pytest.raises(TriviumError, match="exists and is something else"):
        picture.loss_curve(metrics, tmp_path / "loss.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loss.png", "run"]


def test_importing_costs_no_matplotlib():
    code = "import sys, trivium.lab.picture; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("count", [2, 40])
def test_a_confusion_matrix_is_drawn_where_there_is_one(tmp_path, count):
    found = {
        "rows": 9,
        "accuracy": 0.5,
        "labels": [*(f"a label {i}" * 5 for i in range(count)), "(something else)"],
        "confusion": np.eye(count, count + 1, dtype=int).tolist(),
    }
    assert picture.confusion(found, tmp_path / "c.png") == tmp_path / "c.png"
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert picture.confusion({"rows": 9}, tmp_path / "d.png") is None and not (tmp_path / "d.png").exists()


SKY = {"rows": 9, "accuracy": 0.5, "labels": ["\u5929", "a $b$ c"], "confusion": [[4, 1], [1, 3]]}


@pytest.fixture
def font(tmp_path):
    """A font with one letter, a full square for U+5929."""
    pen = TTGlyphPen(None)
    for move, point in zip([pen.moveTo, *[pen.lineTo] * 3], [(0, 0), (0, 900), (900, 900), (900, 0)], strict=True):
        move(point)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "sky"])
    builder.setupCharacterMap({0x5929: "sky"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "sky": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "sky": (1000, 0)})
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Only Sky", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "sky.ttf")
    return str(tmp_path / "sky.ttf")


def test_a_letter_comes_from_an_installed_font_that_has_it(font, tmp_path, monkeypatch, capsys, recwarn):
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [font, "no font at all"])
    assert picture.fonts("a\u5929 b\n") == ["DejaVu Sans", "Only Sky"]
    picture.confusion(SKY, tmp_path / "c.png")
    assert capsys.readouterr().err == "" and not list(recwarn)
    monkeypatch.setattr(picture, "fonts", lambda text: ["DejaVu Sans"])
    picture.confusion(SKY, tmp_path / "boxes.png")
    assert (tmp_path / "c.png").read_bytes() != (tmp_path / "boxes.png").read_bytes()


def test_without_such_a_font_one_line_says_so(tmp_path, monkeypatch, capsys, recwarn):
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    assert picture.fonts("plain text") == ["DejaVu Sans"]
    picture.confusion(SKY, tmp_path / "c.png")
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "no installed font has 1 of the characters" in said and "(\u5929)" in said
    assert not list(recwarn)


def test_a_label_is_no_formula(tmp_path):
    broken = {**SKY, "labels": ["\\ $x_$ $", "$_^$"]}
    assert picture.confusion(broken, tmp_path / "c.png")
