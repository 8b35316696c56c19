"""Nine questions about the parts of a Transformer, each variant at its own best rate, and the page of the results.

    OMP_NUM_THREADS=1 nice -n 5 .venv/bin/python bench/ablations.py --source FOLDER_OF_TEXT     (or: make ablations)

The text becomes a data folder once. Then the plan is printed, and question after question runs as `trivium ablate
--tune` does: cells are ordinary run folders in runs/ablations, the same command goes on after a stop, `--questions`
picks some. `--form short` is a small form of the same questions. After each question its picture,
bench/results/ablations.json and docs/ablations.md are written; `--render` writes only the page. `questions.py` has the
questions, `answers.py` the page.
"""

import argparse
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import torch
from answers import PAGE, RESULTS, render
from questions import FORMS, QUESTIONS, asked

from trivium import api
from trivium.base.config import dump, override, parse
from trivium.base.files import read_json, write_json
from trivium.base.log import columns, duration, say
from trivium.corpus.prepare import Preparation, prepare
from trivium.data.loader import in_order
from trivium.data.rows import DocumentRows
from trivium.model.config import ModelConfig
from trivium.model.device import evaluating, place
from trivium.model.transformer import Transformer
from trivium.objective.causal import CausalLM
from trivium.study.ablate import ablate
from trivium.study.grid import base_steps, count, lay_out, length_of, matched, read_axis, step_tokens
from trivium.study.trial import seconds_per_step
from trivium.study.tune import WIDENINGS, read_sweep, tries
from trivium.task.feed import open_corpus
from trivium.train.loss.token import TokenLoss

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "ablate.toml"
TIMES = (1, 2, 4)
"""Row lengths of the evaluation beyond the trained length, as multiples of it."""


def plan(names: Sequence[str], form: str, data: Path, seeds: int) -> None:
    """Print the runs of each question and their hours; a step of each cell is timed once, cells of a group once.

    The hours of a plan of all questions are kept for the page.
    """
    rows, total, known = [["question", "cells", "runs", "more at most", "parameters", "tokens each", "hours"]], 0.0, {}
    for name in names:
        one, axes = asked(name, form), [read_axis(axis) for axis in asked(name, form).axes]
        base, cells, _ = lay_out(RECIPE, [*one.overrides, f"data.path={data}"], axes, one.cross)
        cells = matched(base, cells, one.match, axes, base_steps(base, None, lambda cell: 1.0), lambda cell: 1.0)  # type: ignore[arg-type]
        tuned = len(tries(cells, axes, read_sweep(one.tune), one.match)) // len(cells)  # type: ignore[arg-type]
        fresh = [cell for cell in cells if (one.folder, cell.name) not in known]
        known |= {(one.folder, cell.name): True for cell in fresh}
        each = tuned + seeds - 1
        hours = sum(each * (cell.recipe.budget_steps or 1) * seconds_per_step(cell.recipe) for cell in fresh) / 3600
        total += hours
        tokens = (base.budget_steps or 0) * step_tokens(base)
        runs = map(str, (len(fresh), each * len(fresh), WIDENINGS * len(fresh)))
        rows.append([name, *runs, f"{count(base):,}", f"{tokens:,}", f"{hours:.2f}"])
    for line in columns(rows):
        say(line)
    say(
        f"about {duration(3600 * total)} on one core as busy as now, with runs that are done and without those of a "
        "grid that grows"
    )
    if [*names] == [*QUESTIONS]:
        kept = read_json(RESULTS) if RESULTS.is_file() else {}
        write_json(RESULTS, {**kept, "hours": {**kept.get("hours", {}), form: round(total, 1)}})


def cpu_seconds(folder: Path) -> float:
    """Return the CPU seconds of all finished runs in a folder."""
    return sum(read_json(path)["cpu_seconds"] for path in folder.rglob("result.json"))


def answer(name: str, form: str, folder: Path, data: Path, seeds: int, workers: int) -> None:
    """Run what is missing of a question, and keep its results and its picture."""
    one = asked(name, form)
    axes, words, where = (
        [read_axis(axis) for axis in one.axes],
        [*one.overrides, f"data.path={data}"],
        folder / one.folder,
    )
    say(f"\n== {name}")
    report = ablate(
        RECIPE,
        words,
        axes,
        where,
        one.match,
        seeds,
        None,
        workers,
        one.cross,
        read_sweep(one.tune),  # type: ignore[arg-type]
    )
    cells = {cell for entry in report["comparisons"] for _, cell in entry["cells"]}
    found = {key: report[key] for key in ("budget", "rule", "comparisons", "tune")}
    found["losses"] = {cell: [run["loss"] for run in report["results"] if run["cell"] == cell] for cell in cells}
    base, _, _ = lay_out(RECIPE, words, axes, one.cross)
    found |= {"parameters": count(base), "tokens": (base.budget_steps or 0) * step_tokens(base), "seeds": seeds}
    found |= {
        "date": date.today().isoformat(),
        "cpu_seconds": {f"{one.folder}/{cell}": cpu_seconds(where / cell) for cell in sorted(cells)},
    }
    if name == "position":
        found["beyond"] = beyond(report, where, data, length_of(base))
    known = read_json(RESULTS) if RESULTS.is_file() else {}
    known.setdefault(form, {})[name] = found
    write_json(RESULTS, {**known, "torch": torch.__version__})
    (PAGE.parent / f"ablations-{name}.png").write_bytes((where / "ablate.png").read_bytes())
    render(read_json(RESULTS))


def beyond(report: dict[str, Any], folder: Path, data: Path, trained: int) -> dict[str, Any]:
    """Return the held-out loss by position, up to four times the trained length, of each encoding and seed."""
    labels = {cell: label for label, cell in report["comparisons"][0]["cells"]}
    edges = [trained * times for times in TIMES]
    losses: dict[str, list[list[float]]] = {}
    for run in report["results"]:
        label, loaded = labels[run["cell"]], api.load(folder / run["run"] / "model")
        sides = {label: loaded, **({"RoPE, YaRN x 4": stretched(loaded, trained)} if label == "RoPE" else {})}
        for name, side in sides.items():
            losses.setdefault(name, []).append(by_position(side, data, edges))
    return {"edges": edges, "losses": losses}


def by_position(model: api.Model, data: Path, edges: Sequence[int]) -> list[float]:
    """Return the mean loss at positions below each of `edges` and not below the one before, in rows of the last."""
    rows = DocumentRows(open_corpus(data, "valid", model.tokenizer), CausalLM(), model.tokenizer.vocabulary, edges[-1])
    totals, counts = torch.zeros(len(edges)), torch.zeros(len(edges))
    with evaluating(model.transformer):
        for batch in map(place, in_order(rows, 16, model.tokenizer.vocabulary.pad)):
            losses = TokenLoss().over(model.transformer, model.transformer.head, batch).losses
            assert batch.dec is not None
            positions = batch.dec.positions[batch.targets["token"] != -100]
            part = torch.bucketize(positions, torch.tensor(edges), right=True)
            totals.index_add_(0, part, losses)
            counts.index_add_(0, part, torch.ones_like(losses))
    return (totals / counts).tolist()  # type: ignore[no-any-return]


def stretched(model: api.Model, trained: int) -> api.Model:
    """Return the same weights with YaRN (arXiv:2309.00071): RoPE frequencies scaled by 4 from the trained length on."""
    scaling = f'{{kind = "yarn", factor = 4.0, original_context = {trained}}}'
    tree = override(dump(model.config), [f'model.position={{kind = "rope", scaling = {scaling}}}'])
    tree["decoder"]["position"] = [tree.pop("model")["position"]]
    transformer = Transformer(parse(ModelConfig, tree))
    transformer.load_state_dict(model.transformer.state_dict())
    return api.Model(transformer, model.tokenizer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default=os.environ.get("SOURCE"), help="text: any source of `trivium prepare`")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "ablations")
    parser.add_argument("--form", choices=list(FORMS), default="long")
    parser.add_argument("--questions", help="only these, separated by commas: " + ", ".join(QUESTIONS))
    parser.add_argument("--seeds", type=int, help="seeds of each variant at its best rate [those of the form]")
    parser.add_argument("--workers", type=int, default=1, help="runs at the same time")
    parser.add_argument("--plan", action="store_true", help="print the plan and end")
    parser.add_argument("--render", action="store_true", help="only write the page again, from the stored results")
    given = parser.parse_args()
    if given.render:
        return render(read_json(RESULTS))
    names = given.questions.split(",") if given.questions else list(QUESTIONS)
    if unknown := [name for name in names if name not in QUESTIONS]:
        parser.error(f"--questions: {unknown[0]!r} is none of {', '.join(QUESTIONS)}")
    form, data = FORMS[given.form], given.folder / given.form / "data"
    if given.source:
        prepare([given.source], data, Preparation(vocab_size=form.vocabulary, valid_share=form.valid_share))
    elif not (data / "manifest.json").is_file():
        parser.error("--source: the first run needs a folder of text")
    seeds = given.seeds or form.seeds
    plan(names, given.form, data, seeds)
    if not given.plan:
        for name in names:
            answer(name, given.form, given.folder, data, seeds, given.workers)


if __name__ == "__main__":
    main()
