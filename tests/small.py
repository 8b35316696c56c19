"""Small models with a tokenizer, on disk, and files of rows: what the tests of tasks begin with."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import trivium
from trivium.task.finetune import finetune, recipe_for
from trivium.token.tokenizer import Tokenizer

FAST = ["precision=fp32", "batch_tokens=256", "micro_rows=4", "optim.lr=5e-3", "budget_epochs=8"]
SIZES: dict[str, dict[str, Any]] = {
    "bert": {"layers": 2, "hidden_size": 32, "heads": 2},
    "modernbert": {"layers": 2, "hidden_size": 32, "heads": 2},
    "gpt2": {"layers": 1, "hidden_size": 32, "heads": 2},
    "llama": {"layers": 2, "hidden_size": 32, "heads": 2},
    "bart": {"layers": 1, "hidden_size": 32, "heads": 2},
    "t5": {"layers": 1, "hidden_size": 32, "heads": 2},
}


def model(preset: str, context: int = 64) -> trivium.Model:
    """A model that has learned nothing, with a tokenizer of bytes."""
    torch.manual_seed(0)
    made = trivium.build(preset, vocab_size=384, context=context, **SIZES[preset])
    made.tokenizer = Tokenizer.bytes()
    return made


def noisy(model: trivium.Model, scale: float = 0.2) -> trivium.Model:
    """The same with noise on every weight, so that what it writes changes from token to token."""
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.transformer.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=draw))
    return model


def folder(path: Path, preset: str, context: int = 64) -> Path:
    """The same on disk."""
    return model(preset, context).save(path / preset)


def rows(path: Path, made: Iterable[Mapping[str, Any]]) -> Path:
    """A .jsonl file."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), encoding="utf-8")
    return path


def labelled(count: int = 48) -> list[dict[str, Any]]:
    """Texts that one letter tells apart."""
    words = {"cold": "ice", "hot": "fire"}
    return [{"text": f"{words[label]} {i % 7}", "label": label} for i in range(count // 2) for label in words]


def tuned(
    path: Path,
    task: str,
    preset: str,
    made: Iterable[Mapping[str, Any]],
    words: Sequence[str] = (),
    head: bool = False,
    context: int = 64,
) -> tuple[Path, dict[str, Any]]:
    """Fine-tune a small model on rows: the run's model folder, and the metrics on the same rows."""
    file = str(rows(path / f"{task}.jsonl", made))
    recipe = recipe_for(task, folder(path, preset, context), [file], [file], [*FAST, *words], head=head)
    return finetune(task, recipe, path / "run")


def use(path: Path, text: str) -> None:
    """Run the lines of Python on the card of a model folder, with another text: they print what the model answers."""
    code = (path / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    assert "Once upon a time" in code
    exec(code.replace("this folder", str(path)).replace("Once upon a time", text), {})
