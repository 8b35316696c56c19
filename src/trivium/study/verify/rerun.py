"""The steps of a deterministic run once more, compared with its certificate: data, weights, threads and version."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trivium.base.errors import ConfigError, TriviumError
from trivium.base.log import watched
from trivium.data.loader import Loader
from trivium.lab.run.why import Replay
from trivium.study.verify.certificate import Finding, told
from trivium.task.run import count_steps
from trivium.train.checkpoint import checkpoints, load_checkpoint, verify
from trivium.train.exact.certificate import MACHINE, RESULTS, entry, hashed, link, machine, read_certificate
from trivium.train.exact.grain import Grains, grain_rows
from trivium.train.guard.spike import Spikes
from trivium.train.half import half_weights
from trivium.train.loop import autocast_dtype
from trivium.train.parallel.world import World
from trivium.train.recompute import recompute
from trivium.train.step import train_step

Lines = Mapping[int, Mapping[str, Any]]
NAMES = {"threads": "threads", "torch": "version", "cpu": "processor"}
"""How a finding calls what a line keeps of the machine."""


def rerun(run: Path, step: int) -> list[Finding]:
    """Run the steps of a run up to `step` again, from the newest checkpoint before it or the start; tell each finding.

    A DataError for a run without a certificate, a ConfigError for a step that it does not have.
    """
    lines = read_certificate(run)
    if step not in lines:
        raise ConfigError(f"--step: the certificate of {run} has the steps 1 to {max(lines)}, found {step}")
    findings = [told(_chain(lines, step))]
    findings += [told(_machine(name, lines, step)) for name in MACHINE]
    start = max(_starts(run / "checkpoints", step), default=0)
    made = dict(_steps(run, start, step, lines))
    findings.append(told(_compared("data", ("data",), made, lines)))
    findings.append(told(_compared("weights", RESULTS, made, lines)))
    return findings


def _starts(root: Path, step: int) -> Iterator[int]:
    """Yield the steps before a step whose checkpoints are whole."""
    for one in checkpoints(root):
        try:
            if one < step:
                verify(root / f"step-{one:08d}")
                yield one
        except TriviumError:
            continue


def _steps(run: Path, start: int, step: int, lines: Lines) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line of step `start`, and of each one after it, as they come out now."""
    replay, ranks = Replay(run), World()
    recipe, model = replay.recipe, replay.model.transformer.to(ranks.device).train()
    recompute(model, recipe.recompute)
    rows = recipe.step_rows(replay.length)
    grains = Grains(grain := grain_rows(recipe, rows, ranks), -(-rows // grain), ranks)
    loader = Loader(replay.rows, rows, grain, replay.model.vocabulary.pad, recipe.seed)
    count_steps(recipe, loader)  # a budget of epochs ends with its last row
    optimizer = recipe.optim.chosen(model, recipe.batch_tokens).build(model)
    kept = load_checkpoint(run / "checkpoints" / f"step-{start:08d}", model, optimizer) if start else {}
    precision = autocast_dtype(recipe, ranks.device)
    halves, spikes = half_weights(model, optimizer, precision, ranks), Spikes(recipe.spikes, kept)
    yield start, {"weights": hashed(model)}
    for done in watched(range(start, step), "running the steps again", "steps"):
        line = lines.get(done + 1, {})
        options = (line.get("lr", 0.0), recipe, done, precision, ranks, halves, grains, spikes)
        found = train_step(model, model, optimizer, loader.step(done), *options)
        yield found.step, entry(found, grains, model if "weights" in line else None)


def _chain(lines: Lines, step: int) -> Finding:
    """Find the first line that is missing, or was changed."""
    before = ""
    for at in range(step + 1):
        line = {key: value for key, value in lines.get(at, {}).items() if key != "chain"}
        if not line or link(before, line) != lines[at].get("chain"):
            what = "is not the one that its hash is of" if line else "is missing"
            return Finding("chain", "different", f"the line of step {at:,} {what}")
        before = lines[at]["chain"]
    return Finding("chain", "same", f"{step + 1:,} lines, each with the hash of the one before it")


def _machine(name: str, lines: Lines, step: int) -> Finding:
    here = machine()[name]
    others = [at for at, line in lines.items() if at <= step and line.get(name) != here]
    if not others:
        return Finding(NAMES[name], "same", f"{name} {here}")
    more = f"; set OMP_NUM_THREADS={lines[others[0]].get(name)}" if name == "threads" else ""
    return Finding(
        NAMES[name], "different", f"step {others[0]:,} had {name} {lines[others[0]].get(name)}, here {here}{more}"
    )


def _compared(what: str, keys: tuple[str, ...], made: Lines, lines: Lines) -> Finding:
    """Find the first step in which one of `keys` came out otherwise."""
    for at, line in made.items():
        known = lines.get(at, {})
        for key in (
            key for key in keys if key in line and key in known
        ):  # a run that was stopped has not hashed the weights it saved
            if (wanted := known[key]) != line[key]:
                where = f"step {at:,}: {key} {wanted} in the certificate, {line[key]} here"
                return Finding(what, "different", where, {"step": at, "key": key})
    first, last = min(made), max(made)
    return Finding(
        what, "same", f"steps {first + 1:,} to {last:,}, from {f'checkpoint {first:,}' if first else 'the start'}"
    )
