"""The commands as a person types them: one clear line for a mistake, exit code 2, nothing left half-written."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
from typer.testing import CliRunner

import tiny
from trivium.base.errors import TriviumError
from trivium.cli import app, run


class Done(NamedTuple):
    """What a command said."""

    stdout: str
    stderr: str


def trivium(*words: str, cwd: Path, code: int = 0, given: str = "") -> Done:
    """Run a command in this process, which has torch already; the errors that `main` tells are told as it does."""
    before = os.getcwd()
    os.chdir(cwd)
    try:
        done = CliRunner().invoke(app, list(words), input=given)
    finally:
        os.chdir(before)
    if isinstance(done.exception, TriviumError):
        assert done.exception.exit_code == code, done.exception
        return Done(done.stdout, f"error: {done.exception}\n")
    assert done.exit_code == code, f"{done.output}\n{done.exception!r}"
    return Done(done.stdout, done.stderr)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some text, its data folder, a recipe and a trained model."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "text").mkdir()
    for name in "abcdefgh":
        (folder / "text" / f"{name}.txt").write_text(f"The {name} fox jumps over the lazy {name} dog.\n" * 40)
    trivium("prepare", "text", "-o", "data", "--tokenizer", "bytes", "--no-near", "--valid-share", "0.3", cwd=folder)
    (folder / "r.toml").write_text(
        "budget_steps = 3\nbatch_tokens = 128\nsave_every_steps = 1\n[data]\npath = 'data'\nlength = 32\n"
        "[model]\npreset = 'llama'\ndepth = 1\ncontext = 64\n"
    )
    trivium("train", "r.toml", "-o", "run", cwd=folder)
    return folder


def test_a_trained_model_generates_chats_and_is_evaluated(here: Path) -> None:
    assert trivium("generate", "run/model", "--prompt", "The", "--max-new-tokens", "3", cwd=here).stdout
    assert trivium("chat", "run/model", "--max-new-tokens", "3", cwd=here, given="hi\n/reset\n/save c.jsonl\n").stdout
    assert (here / "c.jsonl").exists()
    assert "bits per byte" in trivium("evaluate", "run/model", "--data", "data", cwd=here).stdout
    assert "parameters" in trivium("show", "run/model", cwd=here).stdout
    assert "train" in trivium("show", "data", cwd=here).stdout


def test_chat_on_a_terminal_says_that_it_loads(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ended(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("builtins.input", ended)
    assert run(["chat", str(here / "run")]) == 0
    assert capsys.readouterr().out.startswith(f"loading {here / 'run'} ...\n")


def test_training_ends_with_its_losses_its_curve_and_what_is_next(here: Path) -> None:
    said = trivium("train", "r.toml", "-o", "told", cwd=here).stdout.splitlines()
    assert any(line.startswith("3 steps, ") and line.endswith(" tokens/s") for line in said)
    scores = [json.loads(line) for line in (here / "told" / "metrics.jsonl").read_text().splitlines()]
    first, last = (one["valid_loss"] for one in scores if "valid_loss" in one)
    assert f"held-out loss {first:.3f} at the start, {last:.3f} at the end" in said
    assert "the curve is told/curve.png, the model is in told/model" in said and (here / "told/curve.png").is_file()
    (command,) = (line for line in said if "trivium evaluate" in line)
    assert trivium(*command.split()[1:5], cwd=here).stdout.startswith("loss ")


def test_one_of_the_chat_templates_of_a_folder_is_picked(here: Path) -> None:
    shutil.copytree(here / "run" / "model", here / "named")
    (here / "named" / "additional_chat_templates").mkdir()
    short = "{{ bos_token }}{% for m in messages %}{{ m.content + eos_token }}{% endfor %}"
    (here / "named" / "additional_chat_templates" / "short.jinja").write_text(short)
    (here / "short.jsonl").write_text(json.dumps({"question": "a?", "answer": "b"}) + "\n")
    words = ("--template", "short", "budget_steps=1", "batch_tokens=64", "data.length=32", "-o", "picked")
    assert trivium("chat", "named", "--template", "short", "--max-new-tokens", "3", cwd=here, given="hi\n").stdout
    said = trivium("finetune", "chat", "-m", "named", "-d", "short.jsonl", *words, cwd=here).stdout
    assert "<s>a?</s>«b»«</s>»" in said, "the rows are shown as they are trained"
    assert (here / "picked" / "model" / "chat_template.jinja").read_text() == short
    assert (here / "picked" / "model" / "additional_chat_templates" / "short.jinja").read_text() == short
    for command in (["predict", "named", "-i", "short.jsonl"], ["evaluate", "named", "-d", "short.jsonl"]):
        assert trivium(*command, "--template", "short", "task.max_new_tokens=2", cwd=here).stdout
        done = trivium(*command, "--template", "long", cwd=here, code=2)
        assert "template 'long': the model's folder has no chat template of this name; it has" in done.stderr
    done = trivium("evaluate", "named", "-d", "data", "--template", "short", cwd=here, code=2)
    assert "--template: an override of rows or task" in done.stderr


def test_a_model_folder_is_fine_tuned_on_rows(here: Path) -> None:
    (here / "rows.jsonl").write_text(json.dumps({"question": "a?", "context": "", "answer": "b"}) + "\n")
    words = ("objective=instruct", "data.path=rows.jsonl", "data.length=32", "budget_epochs=1", "-o", "tuned")
    (here / "chat.toml").write_text("init = 'run/model'\nbatch_tokens = 64\n[data]\npath = 'x'\n")
    trivium("train", "chat.toml", *words, cwd=here)
    assert (here / "tuned" / "model" / "chat_template.jinja").exists()
    shown = trivium("inspect", "chat.toml", *words[:-2], cwd=here).stdout
    assert "must predict" in shown


def test_an_imported_folder_is_the_same_model(here: Path) -> None:
    trivium("import", "run/model", "-o", "copy", cwd=here)
    assert (here / "copy" / "model.safetensors").read_bytes() == (here / "run/model/model.safetensors").read_bytes()


def test_a_grid_of_variants_is_measured(here: Path) -> None:
    words = ("ablate", "r.toml", "--axis", "model.decoder.ffn=swiglu,relu", "--seeds", "1", "-o", "grid")
    said = trivium(*words, cwd=here).stdout
    assert "ffn: relu against swiglu" in said and (here / "grid" / "ablate.html").exists()


def test_attention_is_shown_in_lines_and_as_a_page(here: Path) -> None:
    words = ("show", "run/model", "--attention", "The fox")
    assert "decoder, layer 1" in trivium(*words, cwd=here).stdout and not (here / "attention.html").exists()
    trivium(*words, "--html", "-o", "a.html", cwd=here)
    assert "data:image/png" in (here / "a.html").read_text()


def test_preparing_again_does_nothing(here: Path) -> None:
    words = ("text", "-o", "data", "--tokenizer", "bytes", "--no-near", "--valid-share", "0.3")
    assert "up to date" in trivium("prepare", *words, cwd=here).stdout


def test_a_run_folder_stands_for_its_model(here: Path) -> None:
    words = ("generate", "run", "--prompt", "The", "--max-new-tokens", "3")
    assert trivium(*words, cwd=here).stdout == trivium("generate", "run/model", *words[2:], cwd=here).stdout
    assert "parameters" in trivium("show", "run", cwd=here).stdout
    assert "bits per byte" in trivium("evaluate", "run", "-d", "data", cwd=here).stdout
    assert "bytes" in trivium("tokenizer", "eval", "run", "text", cwd=here).stdout
    trivium("train", "r.toml", "init=run", "~model", "-o", "on", cwd=here)
    assert (here / "on" / "model" / "config.json").is_file()


def test_nothing_is_replaced_without_force(here: Path) -> None:
    (here / "lines.txt").write_text("one\ntwo\n")
    for words, out in (
        (["import", "run"], "imported"),
        (["tokenizer", "train", "text"], "tokens"),
        (["embed", "run", "--input", "lines.txt"], "v.npy"),
        (["train", "r.toml"], "again"),
    ):
        trivium(*words, "-o", out, cwd=here)
        assert "--force" in trivium(*words, "-o", out, cwd=here, code=2).stderr
        trivium(*words, "-o", out, "--force", cwd=here)
    words = ["prepare", "text", "-o", "data2", "--no-near"]
    trivium(*words, "--tokenizer", "bytes", cwd=here)
    assert "holds data of other tokenizer; add --force" in trivium(*words, cwd=here, code=2).stderr
    trivium(*words, "--force", cwd=here)
    assert "is replaced" in "".join(trivium("inspect", "r.toml", "--html", cwd=here).stdout for _ in range(2))


def test_quiet_prints_results_and_a_log_file_keeps_all(here: Path) -> None:
    said = trivium("train", "r.toml", "-o", "silent", "--quiet", "--log-file", "run.log", cwd=here)
    assert said == Done("", "") and "the model is in silent/model" in (here / "run.log").read_text()
    scored = trivium("evaluate", "silent", "-d", "data", "-q", "--log-file", "run.log", cwd=here).stdout
    assert scored.startswith("loss ") and scored.splitlines()[0] in (here / "run.log").read_text()
    assert trivium("show", "data", "-q", cwd=here).stdout == trivium("show", "data", cwd=here).stdout


def test_help_and_version_are_where_people_look(here: Path) -> None:
    assert trivium("-h", cwd=here).stdout == trivium("--help", cwd=here).stdout
    assert "--max-new-tokens" in trivium("generate", "-h", cwd=here).stdout
    assert trivium("--version", cwd=here).stdout.split() == ["trivium", version("trivium")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "none.toml"], "none.toml: no such recipe"),
        (["train", "r.toml", "optim.lrr=1", "model.decoder.norm=rsm"], "did you mean 'lr'"),
        (["train", "r.toml", "-o", "run"], "holds a run already"),
        (["train", "r.toml", "data.path=nowhere", "model.vocab_size=384", "-o", "new"], "no such folder"),
        (
            ["train", "r.toml", "model.kernel=tiled", "model.decoder.attention_dropout=0.1", "-o", "new"],
            "decoder: the kernel tiled has no attention dropout; kernel = 'auto' takes one that fits",
        ),
        (["ablate", "r.toml", "-o", "new"], "expected at least one --axis"),
        (["show", "r.toml", "--html"], "expected --attention"),
        (["prepare", "nowhere", "-o", "new"], "no such file or folder"),
        (["prepare", "text", "-o", "text"], "not a data folder"),
        (["prepare", "nowhere", "-o", "new", "--vocab-size", "100"], "multiple of 64"),
        (["prepare", "text", "-o", "new", "--as-text", "rst,gz"], "expected kinds of text files"),
        (["generate", "text", "--prompt", "x"], "config.json"),
        (
            ["generate", "run/model", "--prompt", "x", "--num-beams", "2", "--temperature", "0"],
            "generate: temperature: only with num_beams = 1",
        ),
        (
            ["generate", "run/model", "--prompt", "x", "--num-beams", "2", "--stop", "x"],
            "stop: beam search has stop ids",
        ),
        (["evaluate", "run/model", "--data", "text"], "not a data folder"),
        (
            ["evaluate", "run/model", "--data", "data", "task.beam.beams=2"],
            "task.beam.beams=2: an override of rows or task",
        ),
        (["show", "r.toml", "--keys", "model.decodr"], "did you mean 'decoder'"),
        (["tokenizer", "eval", "text", "text"], "tokenizer.json"),
    ],
)
def test_a_mistake_is_one_clear_line(here: Path, words: list[str], said: str) -> None:
    done = trivium(*words, cwd=here, code=2)
    assert said in done.stderr and "Traceback" not in done.stderr
    assert not (here / "new").exists()


def test_a_process_of_its_own_ends_with_one_line_and_the_code(here: Path) -> None:
    words = [sys.executable, "-m", "trivium", "prepare", "nowhere", "-o", "new"]
    done = subprocess.run(words, cwd=here, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr == "error: nowhere: no such file or folder\n"


DERF = """
import torch
from trivium.model.layer.norm import Norm

class Derf(Norm, kind="derf"):
    def build(self, size):
        return Erf()

class Erf(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.alpha = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        return torch.erf(self.alpha * x)
"""


def test_a_model_of_own_kinds_is_used_with_imports(here: Path, tmp_path: Path) -> None:
    (tmp_path / "derf.py").write_text(DERF)
    fields = ["model.decoder.norm=derf", 'imports=["derf.py"]', f'data.path=["{here / "data"}"]']
    with tiny.forgetting():
        trivium("train", str(here / "r.toml"), *fields, "-o", "run", cwd=tmp_path)
    for words in (
        ["generate", "run/model", "--prompt", "The", "--max-new-tokens", "3"],
        ["evaluate", "run/model", "--data", str(here / "data")],
        ["show", "run/model"],
    ):
        with tiny.forgetting():
            found = trivium(*words, cwd=tmp_path, code=2).stderr
            assert "needs the kinds of 'derf.py'" in found and "--imports derf.py" in found
        with tiny.forgetting():
            assert trivium(*words, "--imports", "derf.py", cwd=tmp_path).stdout


def test_every_command_that_loads_a_model_takes_imports() -> None:
    commands = typer.main.get_command(app).commands
    without = {name for name, command in commands.items() if "imports" not in {p.name for p in command.params}}
    assert without == {"demo", "recipes", "learn", "tokenizer", "lines", "report"}


def test_a_damaged_model_or_data_folder_is_taken_on_request(here: Path, tmp_path: Path) -> None:
    for name in ("data", "run/model"):
        shutil.copytree(here / name, tmp_path / name)
    shard, weights = tmp_path / "data" / "valid-00000.tok", tmp_path / "run" / "model" / "model.safetensors"
    words = ("evaluate", "run/model", "-d", "data")
    assert "loss" in trivium(*words, cwd=tmp_path).stdout
    for file in (shard, weights):
        raw = bytearray(file.read_bytes())
        raw[-2 if file == weights else 0] ^= 1
        file.write_bytes(raw)
        told = trivium(*words, cwd=tmp_path, code=2).stderr
        assert str(file.relative_to(tmp_path)) in told and told.endswith("--no-verify takes it as it is\n")
        assert "loss" in trivium(*words, "--no-verify", cwd=tmp_path).stdout


def test_a_resume_says_where_it_starts(here: Path, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text((here / "r.toml").read_text().replace("'data'", f"'{here / 'data'}'"))
    train, slower = ("train", "r.toml", "-o", "run", "--resume"), ("optim.lr=1e-5", "budget_steps=4")
    assert "nothing to resume, starting at step 0\n" in trivium(*train, cwd=tmp_path).stdout
    assert "resuming from step 3 of 4\n" in trivium(*train, "budget_steps=4", cwd=tmp_path).stdout
    told = trivium(*train[:-1], "--from-step", "3", *slower, cwd=tmp_path).stdout
    assert "resuming from step 3 of 4\n" in told and "optim.lr was 0.0003 and is now 1e-05\n" in told
    assert "it has: 3, 4" in trivium(*train[:-1], "--from-step", "1", *slower, cwd=tmp_path, code=2).stderr
    saved = tmp_path / "run" / "checkpoints"
    for state in saved.glob("step-*/state.json"):
        state.write_text("{}")
    told = trivium(*train, *slower, cwd=tmp_path, code=2)
    assert "no valid checkpoint is left" in told.stderr and "nothing to resume" not in told.stdout
