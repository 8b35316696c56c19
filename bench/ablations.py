"""Nine questions about the parts of a Transformer, each answered by runs at equal budget, and the page of the results.

    OMP_NUM_THREADS=1 nice -n 5 .venv/bin/python bench/ablations.py --source FOLDER_OF_TEXT     (or: make ablations)

The text becomes a data folder once. Each run is an ordinary run folder in runs/ablations: one thread, about a minute.
First every cell runs with seed 0, then with seed 1, and so on. A stage that would pass `--cpu-minutes` does not begin.
You can interrupt it at any time; the same command goes on. Each call ends by writing bench/results/ablations.json, and
from it docs/ablations.md with its pictures; `--render` does only that. Runs may share a machine with other work, so
their speeds say little: on a quiet machine, `--speed` times the cells side by side and writes the page again. The page
names each control that was left out for lack of minutes, and what it would check.
"""

import argparse
import math
import os
import shlex
import statistics
import time
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import torch
from torch import nn

from trivium import api
from trivium.base.config import dump, override, parse
from trivium.base.files import read_json, write_json, write_text
from trivium.base.log import say
from trivium.corpus.prepare import Preparation, prepare
from trivium.model.config import ModelConfig
from trivium.model.transformer import Transformer
from trivium.study.ablate import ablate
from trivium.study.grid import Comparison, lay_out, matched, read_axis, step_tokens
from trivium.study.trial import seconds_per_step
from trivium.study.verdict import sentences, spread, table
from trivium.task.evaluate import score_folder

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "ablate.toml"
RESULTS, PAGE = ROOT / "bench" / "results" / "ablations.json", ROOT / "docs" / "ablations.md"
DECODE = ROOT / "bench" / "results" / "decode.json"
FAN_IN = '{kind = "fan_in", std = 0.02}'
WINDOW, NARROW = '{kind = "window", size = 256}', '{kind = "window", size = 128}'
GLOBAL, RANDOM = '"global"', '{kind = "random", block = 64, count = 2}'

FFN = (
    'model.decoder.ffn=SwiGLU:glu,GELU:{kind = "mlp", activation = "gelu", bias = false},'
    'ReLU:{kind = "mlp", activation = "relu", bias = false},ReLU2:{kind = "mlp", activation = "relu2", bias = false}'
)


def causal(*kinds: str) -> str:
    """Return the union of some patterns, cut to the past."""
    return f'{{kind = "and", of = ["causal", {{kind = "or", of = [{", ".join(kinds)}]}}]}}'


GRIDS: dict[str, dict[str, Any]] = {
    "block": {
        "match": "params",
        "axes": [
            "model.decoder.norm=RMSNorm:rms,LayerNorm:layer",
            FFN,
            "model.decoder.kv_heads=MHA 4:4,GQA 2:2,MQA 1:1",
            "model.decoder.dropout=0.0,0.1",
            "model.decoder.qk_norm=none,rms",
            f"model.init=zero outputs:scaled,drawn outputs:{FAN_IN},GPT-2:normal",
        ],
    },
    "position": {
        "match": "flops",
        "overrides": ["data.length=128", "model.context=1024"],
        "axes": ["model.decoder.position=rope,alibi,m2m100,learned,none"],
    },
    "pattern": {
        "match": "params",
        "overrides": [
            "data.length=2048",
            "model.context=2048",
            "batch_tokens=4096",
            "micro_rows=2",
            "budget_steps=100",
        ],
        "axes": [
            f"model.decoder.pattern=full:causal,window 256:{WINDOW},"
            f"three windows then full:[{WINDOW}, {WINDOW}, {WINDOW}, " + '"causal"],'
            f"Longformer:{causal(WINDOW, GLOBAL)},BigBird:{causal(NARROW, GLOBAL, RANDOM)},"
            'strided 64:{kind = "strided", stride = 64}'
        ],
    },
    "depth": {
        "match": "flops",
        "cross": True,
        "overrides": [
            "model.hidden_size=64",
            "model.decoder.heads=2",
            "model.decoder.kv_heads=2",
            "model.decoder.layers=12",
            "budget_steps=300",
        ],
        "axes": ["model.decoder.residual=pre,post", "model.decoder.layers=6,12,24"],
    },
    "depth, drawn outputs": {
        "match": "flops",
        "cross": True,
        "overrides": [
            "model.hidden_size=64",
            "model.decoder.heads=2",
            "model.decoder.kv_heads=2",
            "model.decoder.layers=12",
            f"model.init={FAN_IN}",
            "budget_steps=300",
        ],
        "axes": ["model.decoder.residual=pre,post", "model.decoder.layers=6,12,24"],
    },
    "rate": {"match": "params", "seeds": 1, "overrides": ["optim.lr=9e-3"], "axes": [FFN]},
    # A sinusoid is much larger than these embeddings; the paper of 2017 scales them up to its size.
    "sinusoid": {
        "match": "flops",
        "seeds": 1,
        "overrides": ["data.length=128", "model.context=1024"],
        "axes": [
            'model=rope:{},m2m100 scaled:{embed = {scale = true}, init = {kind = "scaled", std = 0.088}, '
            'decoder = {position = "m2m100"}}'
        ],
    },
    "depth, a tenth of the rate": {
        "match": "flops",
        "cross": True,
        "seeds": 1,
        "overrides": [
            "model.hidden_size=64",
            "model.decoder.heads=2",
            "model.decoder.kv_heads=2",
            "model.decoder.layers=12",
            "optim.lr=3e-4",
            "budget_steps=300",
        ],
        "axes": ["model.decoder.residual=pre,post", "model.decoder.layers=6,12,24"],
    },
}
QUESTIONS: list[tuple[str, str, str]] = [
    ("RMSNorm or LayerNorm?", "block", "norm"),
    ("SwiGLU, GELU, ReLU or squared ReLU, at equal parameters?", "block", "ffn"),
    ("The same at three times the learning rate", "rate", "ffn"),
    ("Pre-norm or post-norm, at 6, 12 and 24 blocks?", "depth", "residual"),
    ("The same without zero-initialised output projections", "depth, drawn outputs", "residual"),
    ("The same at a tenth of the learning rate", "depth, a tenth of the rate", "residual"),
    ("MHA, GQA or MQA?", "block", "kv_heads"),
    ("Which position encoding, trained at 128 positions?", "position", "position"),
    ("The sinusoid of M2M100 with scaled embeddings", "sinusoid", "model"),
    ("Sparse patterns or full attention, at 2,048 positions?", "pattern", "pattern"),
    ("Dropout 0 or 0.1?", "block", "dropout"),
    ("QK-norm?", "block", "qk_norm"),
    ("Zero-initialised output projections?", "block", "init"),
]
"""(question, grid, axis)."""
CONTROLS: dict[tuple[str, str], str] = {
    (
        "rate",
        "ffn",
    ): "the gaps of GELU, ReLU and squared ReLU to SwiGLU hold for one learning rate, 3e-3; nobody knows how "
    "much of a gap comes from the rate",
    ("depth, drawn outputs", "residual"): "the result for post-norm holds for zero-initialised output projections only",
    (
        "depth, a tenth of the rate",
        "residual",
    ): "the result for post-norm, in both sections above, holds for one learning "
    "rate, 3e-3, after 20 warm-up steps; nobody knows whether post-norm trains at a lower rate",
    (
        "sinusoid",
        "model",
    ): "the sinusoid's loss holds for a sinusoid much larger than the embeddings; nothing is known of "
    "the form of 2017, which scales the embeddings up to its size",
}
"""What the figures above a control do not show as long as it has not run."""
VOCABULARY, VALID_SHARE = 2048, 0.006
LENGTHS = (128, 256, 512, 1024)
WIDTHS = (128, 256, 512)


def run(folder: Path, data: Path, seeds: int, cpu_minutes: float, names: list[str]) -> None:
    """Run all grids with one seed, then with two, and so on, until the CPU minutes are spent."""
    cost: dict[str, float] = {}
    for turn in range(1, seeds + 1):
        for name in names:
            grid = GRIDS[name]
            if turn > grid.get("seeds", seeds):
                continue
            spent = cpu_seconds(folder)
            if spent + cost.get(name, 0.0) > 60 * cpu_minutes:
                say(f"{name}, {turn} seeds: left out; {spent / 60:.0f} of {cpu_minutes:.0f} CPU minutes are spent")
                continue
            say(f"\n== {name}, {turn} seeds ({spent / 60:.0f} CPU minutes so far)")
            words = [f"data.path={data}", *grid.get("overrides", [])]
            axes = [read_axis(text) for text in grid["axes"]]
            ablate(RECIPE, words, axes, folder / slug(name), grid["match"], turn, cross=grid.get("cross", False))
            cost[name] = cpu_seconds(folder / slug(name)) / turn


def slug(name: str) -> str:
    """Return the name of a grid as part of a path."""
    return name.replace(", ", "-").replace(" ", "-")


def cpu_seconds(folder: Path) -> float:
    """Return the CPU seconds of all finished runs in a folder."""
    return sum(read_json(path)["cpu_seconds"] for path in folder.rglob("result.json"))


def by_length(folder: Path, data: Path) -> dict[str, dict[str, list[float]]]:
    """Return the held-out losses of each position kind, trained at 128, by row length; computed losses are kept."""
    grid, kept = folder / "position", folder / "lengths.json"
    known = read_json(kept) if kept.is_file() else {}
    comparisons = read_json(grid / "ablate.json")["comparisons"]
    for label, cell in dict.fromkeys(tuple(pair) for comparison in comparisons for pair in comparison["cells"]):
        for model in sorted(grid.glob(f"{cell}/*/model")):
            loaded = api.load(model)
            sides = {label: loaded}
            if label == "rope":
                sides["rope, YaRN x 8 at evaluation"] = stretched(loaded)
            for name, side in sides.items():
                for length in LENGTHS:
                    key = f"{name}|{length}|{model.parent.name}"
                    if key not in known:
                        known[key] = score_folder(side, data, length).loss
                        write_json(kept, known)
                        say(f"{name} at {length}, seed {model.parent.name}: {known[key]:.4f}")
    losses: dict[str, dict[str, list[float]]] = {}
    for key, loss in known.items():
        name, length, _ = key.split("|")
        losses.setdefault(name, {}).setdefault(length, []).append(loss)
    return losses


def stretched(model: api.Model) -> api.Model:
    """Return the same weights with YaRN: RoPE frequencies scaled by 8, from a context of 128 on."""
    scaling = '{kind = "yarn", factor = 8.0, original_context = 128}'
    tree = override(dump(model.config), [f'model.position={{kind = "rope", scaling = {scaling}}}'])
    tree["decoder"]["position"] = [tree.pop("model")["position"]]
    transformer = Transformer(parse(ModelConfig, tree))
    transformer.load_state_dict(model.transformer.state_dict())
    return api.Model(transformer, model.tokenizer)


def speeds(folder: Path, data: Path, rounds: int = 5) -> dict[str, dict[str, float]]:
    """Return tokens/s of the cells of two grids, measured side by side: cells take turns, the median counts."""
    found: dict[str, dict[str, float]] = {}
    for name in ("block", "pattern"):
        grid = GRIDS[name]
        axes = [read_axis(text) for text in grid["axes"]]
        base, cells, _ = lay_out(RECIPE, [f"data.path={data}", *grid.get("overrides", [])], axes)
        cells = matched(base, cells, grid["match"], axes, 1, lambda cell: 1.0)
        taken: dict[str, list[float]] = {cell.name: [] for cell in cells}
        for _ in range(rounds):
            for cell in cells:
                taken[cell.name].append(seconds_per_step(cell.recipe))
        found[name] = {cell.name: step_tokens(cell.recipe) / statistics.median(taken[cell.name]) for cell in cells}
        say(f"{name}: " + ", ".join(f"{cell} {speed:,.0f} tokens/s" for cell, speed in found[name].items()))
    write_json(folder / "speed.json", found)
    return found


def fused(rounds: int = 15, tokens: int = 2048) -> dict[str, dict[str, float]]:
    """Return the milliseconds of one fused QKV product and of three products, forward and backward, in turns."""
    found = {}
    for width in WIDTHS:
        x = torch.randn(tokens, width, requires_grad=True)
        one = nn.Linear(width, 3 * width, bias=False)
        three = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(3))

        def whole(x: torch.Tensor = x, one: nn.Linear = one) -> torch.Tensor:
            return sum(part.square().sum() for part in one(x).chunk(3, dim=-1))  # type: ignore[return-value]

        def parts(x: torch.Tensor = x, three: nn.ModuleList = three) -> torch.Tensor:
            return sum(part(x).square().sum() for part in three)  # type: ignore[return-value]

        taken: dict[str, list[float]] = {"fused": [], "separate": []}
        for turn in range(rounds + 3):
            for name, side in (("fused", whole), ("separate", parts)):
                start = time.perf_counter()
                for _ in range(10):
                    side().backward()
                if turn >= 3:
                    taken[name].append((time.perf_counter() - start) / 10 * 1e3)
        found[str(width)] = {name: statistics.median(values) for name, values in taken.items()}
    return found


def collect(folder: Path, known: dict[str, Any]) -> dict[str, Any]:
    """Collect what the page needs, without the runs; speeds measured side by side replace those of the runs.

    A grid without runs in `folder` keeps its earlier results.
    """
    found: dict[str, Any] = {"torch": torch.__version__, "grids": {}}
    fast = read_json(folder / "speed.json") if (folder / "speed.json").is_file() else {}
    for name in GRIDS:
        path = folder / slug(name) / "ablate.json"
        if not path.is_file():
            if name in known.get("grids", {}):
                found["grids"][name] = {"date": known.get("date"), **known["grids"][name]}
            continue
        report = read_json(path)
        for result in report["results"]:
            speed = fast.get(name, {}).get(result["cell"])
            result["tokens_per_second"] = result["tokens_per_second"] if speed is None else speed
        for entry in report["comparisons"]:
            comparison = Comparison(entry["axis"], entry["beside"], [(label, cell) for label, cell in entry["cells"]])
            rows = table(comparison, report["results"], {})
            entry["rows"] = [[old[0], *new[1:]] for old, new in zip(entry["rows"], rows, strict=True)]
            entry["sentences"] = sentences(comparison, report["results"], report["budget"])
        found["grids"][name] = {key: report[key] for key in ("budget", "rule", "comparisons")}
        found["grids"][name]["cpu_minutes"] = round(cpu_seconds(path.parent) / 60, 1)
        found["grids"][name] |= {"date": date.today().isoformat(), "side_by_side": name in fast}
        (PAGE.parent / f"ablations-{slug(name)}.png").write_bytes((path.parent / "ablate.png").read_bytes())
    return found


def render(found: dict[str, Any]) -> None:
    """Write the page from the results: for each question the command, the verdicts, the table and the curves."""
    minutes = sum(grid["cpu_minutes"] for grid in found["grids"].values())
    dates = " and ".join(sorted({grid.get("date") or found["date"] for grid in found["grids"].values()}))
    lines = [
        "# Ablations: nine questions at equal budget",
        "",
        "`bench/ablations.py` writes this page from `bench/results/ablations.json` "
        f"({dates}, torch {found['torch']}, {minutes:.0f} CPU minutes in all, one thread a run). The model is "
        "`recipes/ablate.toml`, a small LLaMA on English prose. A result at this size and budget need not hold at "
        "another. The rows `m2m100` were measured when that table was called `sinusoid`, as the pictures still say; "
        "`sinusoid` is now the table of 2017, which was not measured. All variants use one "
        "learning rate unless the section says otherwise, so one that needs another rate "
        "looks worse than it is. Held-out loss is in nats per token, on the same held-out documents for all.",
        "",
        next(iter(found["grids"].values()))["rule"] if found["grids"] else "",
        "",
        "Run everything with `make ablations SOURCE=folder` (it can be resumed), then `python bench/ablations.py "
        "--speed` on a quiet machine. To run one question by hand, use the command of its section after:",
        "",
        "```",
        f"trivium prepare SOURCE -o data/ablate --vocab-size {VOCABULARY} --valid-share {VALID_SHARE}",
        "```",
        "",
    ]
    drawn: dict[str, str] = {}
    for question, name, axis in QUESTIONS:
        grid = found["grids"].get(name)
        if grid is None or axis not in {comparison["axis"] for comparison in grid["comparisons"]}:
            if (name, axis) in CONTROLS:
                lines += [
                    f"## {question}",
                    "",
                    f"**Not run: the CPU minutes were spent.** Without this control, "
                    f"{CONTROLS[name, axis]}. The command:",
                    "",
                    "```",
                    command(name),
                    "```",
                    "",
                ]
            continue
        told = [f"From the runs of *{drawn[name]}*"] if name in drawn else ["```", command(name), "```"]
        lines += [f"## {question}", "", *told, ""]
        for comparison in grid["comparisons"]:
            if comparison["axis"] == axis:
                lines += [f"- {sentence}" for sentence in comparison["sentences"]]
                head = [
                    comparison["beside"] or axis,
                    "held-out loss",
                    "seeds",
                    "tokens/s",
                    "peak MB",
                    "parameters",
                    "steps",
                ]
                lines += ["", *markdown(head, comparison["rows"]), ""]
        if not grid["side_by_side"]:
            lines += ["The speeds are those of the runs; the machine may have had other work.", ""]
        if axis == "kv_heads" and DECODE.is_file():
            lines += decoding(read_json(DECODE))
        if axis == "position" and found.get("lengths"):
            lines += by_length_table(found["lengths"])
        if name not in drawn:
            lines += [f"![{name}](ablations-{slug(name)}.png)", ""]
            drawn[name] = question
    if found.get("qkv_milliseconds"):
        rows = [
            [width, *(f"{value:.2f}" for value in row.values()), f"{row['fused'] / row['separate']:.2f}"]
            for width, row in found["qkv_milliseconds"].items()
        ]
        lines += [
            "## One fused product for queries, keys and values, or three?",
            "",
            "Milliseconds for 2,048 tokens, forward and backward, one thread, medians, side by side in turns:",
            "",
            *markdown(["width", "fused", "separate", "fused / separate"], rows),
            "",
        ]
    write_text(PAGE, "\n".join(lines).rstrip() + "\n")
    say(f"the page is {PAGE}")


def command(name: str) -> str:
    """Return the command line of a grid."""
    grid = GRIDS[name]
    words = ["trivium", "ablate", "recipes/ablate.toml", *grid.get("overrides", [])]
    words += [word for axis in grid["axes"] for word in ("--axis", axis)]
    words += ["--cross"] * grid.get("cross", False) + ["--match", grid["match"]]
    return shlex.join([*words, "--seeds", str(grid.get("seeds", 3)), "-o", f"runs/ablations/{slug(name)}"])


def markdown(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table; all columns but the first are numbers."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---", *["--:"] * (len(head) - 1)], *rows)]


def by_length_table(losses: dict[str, dict[str, list[float]]]) -> list[str]:
    """Return the table of losses by evaluation length, as mean and deviation of the seeds."""
    rows = [
        [name, *(spread(row.get(str(length), []) or [math.nan], "{:.3f}") for length in LENGTHS)]
        for name, row in losses.items()
    ]
    text = "The same models at other row lengths (a learned table has 1,024 positions, of which 128 were trained):"
    return [text, "", *markdown(["position", *(f"at {length:,}" for length in LENGTHS)], rows), ""]


def decoding(found: dict[str, Any]) -> list[str]:
    """Return the table of what `bench/decode.py` measured."""
    rows = [
        [name, f"{row['tokens_per_second']:,.1f}", f"{row['cache_bytes_per_token']:,}", f"{row['cache_mb']:.1f}"]
        for name, row in found["sides"].items()
    ]
    return [
        f"Decoding ({found['what']}):",
        "",
        *markdown(["keys", "tokens/s", "cache bytes a token", "cache MB at the end"], rows),
        "",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--source", default=os.environ.get("SOURCE"), help="the training text: any source of `trivium prepare`"
    )
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "ablations")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cpu-minutes", type=float, default=90.0)
    parser.add_argument("--grid", action="append", choices=list(GRIDS), help="run only this grid; may be repeated")
    parser.add_argument("--render", action="store_true", help="only write the page again, from the stored results")
    parser.add_argument("--collect", action="store_true", help="only collect the finished runs and write the page")
    parser.add_argument("--speed", action="store_true", help="only time the cells side by side; use a quiet machine")
    chosen = parser.parse_args()
    data = chosen.folder / "data"
    if not (chosen.render or chosen.collect or chosen.speed):
        if chosen.source:
            prepare([chosen.source], data, Preparation(vocab_size=VOCABULARY, valid_share=VALID_SHARE))
        elif not (data / "manifest.json").is_file():
            parser.error("--source: the first run needs a folder of text")
        run(chosen.folder, data, chosen.seeds, chosen.cpu_minutes, chosen.grid or list(GRIDS))
    if chosen.speed:
        speeds(chosen.folder, data)
    if not chosen.render:
        known = read_json(RESULTS) if RESULTS.is_file() else {}
        extra = {"qkv_milliseconds": fused() if chosen.speed else known.get("qkv_milliseconds")}
        extra["lengths"] = known.get("lengths")
        if (chosen.folder / "position" / "ablate.json").is_file():
            extra["lengths"] = by_length(chosen.folder, data)
        write_json(RESULTS, {**collect(chosen.folder, known), **extra})
    render(read_json(RESULTS))
