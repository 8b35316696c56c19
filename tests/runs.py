"""Recipes of runs that take a second: some pages of text, a model of one narrow block, a file of questions."""

import signal

from trivium.base.config import dump, parse
from trivium.data.loader import Loader
from trivium.train.recipe import Recipe

LINES = ["The river runs past the old stone bridge.", "A letter came in the morning.", "Winter fell on the garden."]


def pretraining(data, **changes):
    tree = {
        "data": {"path": [str(data)], "length": 32, "license": "CC0-1.0"},
        "model": {"preset": "llama", "depth": 1, "hidden_size": 16, "vocab_size": 384, "context": 64},
        "optim": {"lr": 1e-2},
        "precision": "fp32",
        "batch_tokens": 128,
        "micro_rows": 2,
        "log_every_steps": 1,
        "eval_every_steps": 2,
        **changes,
    }
    return parse(Recipe, {"budget_steps": 4, **tree} if not any("budget" in key for key in changes) else tree)


def tuning(model, questions, **changes):
    tree = dump(pretraining("", **changes))
    tree |= {
        "data": {"path": [str(questions)], "length": 64},
        "objective": "instruct",
        "model": None,
        "init": str(model),
    }
    return parse(Recipe, tree)


class Signalled(list):
    """The micro-batches of a step in which SIGINT comes."""

    came = False

    def __iter__(self):
        if not self.came:
            self.came = True
            signal.raise_signal(signal.SIGINT)
        return super().__iter__()


def interrupt(monkeypatch, at=2):
    """Let every run from now on get a SIGINT in its step `at`, until the patch is undone."""
    stream = Loader.stream

    def signalled(self, start, stop):
        for step, batches in enumerate(stream(self, start, stop), start + 1):
            yield Signalled(batches) if step == at else batches

    monkeypatch.setattr(Loader, "stream", signalled)
