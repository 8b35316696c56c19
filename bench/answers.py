"""The page of `bench/ablations.py`: docs/ablations.md from the results of the questions and of small measurements."""

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parts import table as norm_table
from questions import FORMS, QUESTIONS, asked

from trivium.base.files import read_json, write_text
from trivium.base.log import say
from trivium.study.tune import RULE, WIDENINGS, Optimum, Sweep, Tuned
from trivium.study.verdict import HEADER, judge, spread

ROOT = Path(__file__).resolve().parents[1]
PAGE, KEPT = ROOT / "docs" / "ablations.md", ROOT / "bench" / "results"
RESULTS = KEPT / "ablations.json"
BEFORE = (
    "An earlier page compared all variants at one rate, 3e-3, after 20 steps of warm-up. It said that ReLU is worse "
    "than SwiGLU by 0.67 nats, and post-norm worse than pre-norm by 2.28. That measured the rate, not the part."
)
NOT_YET = (
    "**The long form has not been run yet.** It takes about {:.0f} hours of one core, prints its plan first, and goes "
    "on where it was stopped. What follows is the short form. With three seeds it tells differences of 0.02 to 0.06 "
    "nats from chance, with six of 0.02; the literature finds 0.01 to 0.05 between parts. Its models are 32 wide, and "
    "may say nothing about wide ones. The long form:"
)
CHECKED = (
    "The published numbers beside each question were checked on 2026-12-01 against public transcriptions of the tables "
    "and abstracts of the papers. A difference of one run each has no spread beside it."
)
SPEED, COLUMN = r", [\d.]+ x the tokens a second", HEADER.index("tokens/s")
UNTIMED = (
    "Speeds are left out of the tables, because the machine had other work beside these runs; norms, products and "
    "decoding are timed below."
)


def render(found: Mapping[str, Any]) -> None:
    """Write the page: for each question the largest form that ran, then what was measured beside it."""
    lines = [*opening(found), *(line for name in QUESTIONS for line in section(name, found))]
    form = form_of("position", found)
    lines += beyond(found[form]["position"]["beyond"]) if form else by_length(found["lengths"])
    lines += [*parts(read_json(KEPT / "parts.json")), *decoding(read_json(KEPT / "decode.json"))]
    write_text(PAGE, "\n".join(lines).rstrip() + "\n")
    say(f"the page is {PAGE}")


def form_of(name: str, found: Mapping[str, Any]) -> str | None:
    """Return the largest form in which a question was answered."""
    return next((form for form in FORMS if name in found.get(form, {})), None)


def opening(found: Mapping[str, Any]) -> list[str]:
    """Return what is true of the whole page: the rules, whether the long form ran, and the scale of each form."""
    ran = {form: [found[form][name] for name in QUESTIONS if form_of(name, found) == form] for form in FORMS}
    rule = next((one["rule"] for answers in ran.values() for one in answers), "")
    hours = found.get("hours", {}).get("long", 12)
    long = [] if ran["long"] else [NOT_YET.format(hours), "", *block(["make", "ablations", "SOURCE=my_folder"])]
    return [
        "# Ablations: nine questions, each variant at its own best rate",
        "",
        "`bench/ablations.py` writes this page; do not edit it. Held-out loss is in nats per token.",
        "",
        f"{RULE.format('learning rate')} Where an optimum is at the edge of its grid, the grid grows by its own ratio, "
        f"at most {WIDENINGS} times; one that stays at the edge is named.",
        "",
        rule,
        "",
        CHECKED,
        "",
        UNTIMED,
        "",
        BEFORE,
        "",
        *long,
        *(line for form, answers in ran.items() if answers for line in scale(form, answers)),
    ]


def scale(form: str, answers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the scale of a form in words, and how its data are made."""
    sizes = sorted({(one["parameters"], one["tokens"]) for one in answers})
    told = " or ".join(f"{size:,} parameters on {read:,} tokens, {read / size:.1f} a parameter" for size, read in sizes)
    dates = " and ".join(sorted({one["date"] for one in answers}))
    runs = {cell: taken for one in answers for cell, taken in one["cpu_seconds"].items()}  # questions share cells
    minutes = sum(runs.values()) / 60
    one, seeds = FORMS[form], " or ".join(str(count) for count in sorted({one["seeds"] for one in answers}))
    data = ["--vocab-size", str(one.vocabulary), "--valid-share", str(one.valid_share)]
    return [
        f"The {form} form ({dates}, {minutes:.0f} CPU minutes, one thread a run): a LLaMA of {told}; {seeds} seeds; "
        f"less than one epoch of English prose in a vocabulary of {one.vocabulary:,}. The commands below stand after:",
        "",
        *block(["trivium", "prepare", "SOURCE", "-o", "data/ablate", *data]),
    ]


def section(name: str, found: Mapping[str, Any]) -> list[str]:
    """Return a question: the literature, its command, the verdicts, the losses by rate, the table and the picture."""
    form = form_of(name, found)
    lines = [f"## {QUESTIONS[name].title}", "", f"Literature: {QUESTIONS[name].known}", ""]
    if form is None:
        return [
            *lines,
            "Not run yet. The command of the long form:",
            "",
            *block(asked(name, "long").command(FORMS["long"].seeds)),
        ]
    one = found[form][name]
    lines += block(asked(name, form).command(one["seeds"]))
    tuned = read_tuned(one["tune"])
    for entry in one["comparisons"]:
        cells = [(label, cell) for label, cell in entry["cells"]]
        if len(one["comparisons"]) > 1:
            lines += [f"### {entry['axis']}" + (f", {entry['beside']}" if entry["beside"] else ""), ""]
        said = (re.sub(SPEED, "", text) for text in entry["sentences"])
        told = (*said, *one_rate(cells, tuned), *agreement(name, cells, one["losses"]))
        table = [row[:COLUMN] + row[COLUMN + 1 :] for row in ([entry["axis"], *HEADER[1:]], *entry["rows"])]
        lines += [
            *(f"- {text}" for text in told),
            "",
            *markdown(tuned.table(cells, "**{}**")),
            "",
            *markdown(table),
            "",
        ]
    return [*lines, f"![{name}](ablations-{name}.png)", ""]


def read_tuned(record: Mapping[str, Any]) -> Tuned:
    """Return what a search found, from its record."""
    optima = {}
    for cell, one in record["optima"].items():
        losses = {float(at): math.inf if loss is None else loss for at, loss in one["losses"].items()}
        optima[cell] = Optimum(losses, {float(at): why for at, why in one["reasons"].items()})
    return Tuned(Sweep(record["key"], tuple(record["values"])), optima)


def one_rate(cells: Sequence[tuple[str, str]], tuned: Tuned) -> list[str]:
    """Return what one rate for all, the best one of the first variant, would have said, on the first seed."""
    (_, first), *others = [(label, tuned.optima[cell]) for label, cell in cells if cell in tuned.optima]
    parts = [
        f"{label} {one.losses[first.value] - first.losses[first.value]:+.4f} (at its own best "
        f"{one.losses[one.value] - first.losses[first.value]:+.4f})"
        for label, one in others
        if one.value != first.value and math.isfinite(one.losses.get(first.value, math.inf)) and one.finished
    ]
    rate = f"{tuned.sweep.key}={first.value:g}"
    return [f"One rate for all, {rate}, would have said, on the first seed: {', '.join(parts)}."] if parts else []


def agreement(name: str, cells: Sequence[tuple[str, str]], losses: Mapping[str, list[float | None]]) -> list[str]:
    """Return whether our differences agree in sign with published ones, where ours are more than chance."""
    published, own = QUESTIONS[name].published, dict(cells)
    labels = [label for label in published if label in own]
    lines = []
    for label in labels[1:]:
        first, other = ([loss for loss in losses[own[one]] if loss is not None] for one in (labels[0], label))
        if not (first and other):
            continue
        word, gap, _ = judge(first, other)
        theirs = published[label] - published[labels[0]]
        pair = f"{label} against {labels[0]}, ours {gap:+.4f} nats, theirs {theirs:+.3f}"
        agrees = "agrees in sign" if gap * theirs > 0 else "does not agree"
        told = "ours cannot tell" if word in ("no difference", "undecided") else agrees
        lines.append(f"Beside the literature: {pair}: {told}.")
    return lines


def beyond(far: Mapping[str, Any]) -> list[str]:
    """Return the losses at positions that were not trained."""
    starts, edges = [0, *far["edges"]], far["edges"]
    head = ["position", *(f"{start} to {edge - 1}" for start, edge in zip(starts, edges, strict=False))]
    rows = [
        [label, *(spread(part, "{:.3f}") for part in zip(*seeds, strict=True))]
        for label, seeds in far["losses"].items()
    ]
    return [
        "## Beyond the trained length",
        "",
        f"Held-out loss by position in rows of {edges[-1]}, of the models of *{QUESTIONS['position'].title}*, trained "
        f"in rows of {edges[0]}. A learned table has a row for each position; those beyond were never trained.",
        "",
        *markdown([head, *rows]),
        "",
    ]


def by_length(losses: Mapping[str, Mapping[str, list[float]]]) -> list[str]:
    """Return the losses in longer rows than the trained ones, of the models of the earlier page."""
    rows = [[name, *(spread(part, "{:.3f}") for part in row.values())] for name, row in losses.items()]
    head = ["position", *(f"rows of {int(length):,}" for length in next(iter(losses.values())))]
    return [
        "## Beyond the trained length",
        "",
        "Held-out loss in rows of 128, as in training, and longer; three seeds. These are models of the earlier page "
        "(2026-11-24), all trained at one rate: read along a row, not down a column. The question *"
        f"{QUESTIONS['position'].title}* measures it again, by position, with models at their own rates.",
        "",
        *markdown([head, *rows]),
        "",
    ]


def parts(kept: Mapping[str, Any]) -> list[str]:
    """Return what `bench/parts.py` measured: norms, and one product for queries, keys and values."""
    head = ["width", "one product ms", "three products ms", "one / three"]
    rows = [
        [width, f"{row['fused']:.2f}", f"{row['separate']:.2f}", f"{row['fused'] / row['separate']:.2f}"]
        for width, row in kept["qkv"]["milliseconds"].items()
    ]
    norms = (
        [
            "## The time of a norm, alone and in a step",
            "",
            f"`python bench/parts.py` ({kept['norms']['date']}): {kept['norms']['what']}.",
            "",
            *markdown(norm_table(kept["norms"]["rows"])),
            "",
        ]
        if "norms" in kept
        else []
    )
    return [
        *norms,
        "## One product for queries, keys and values, or three?",
        "",
        f"`python bench/parts.py` ({kept['qkv']['date']}): {kept['qkv']['what']}.",
        "",
        *markdown([head, *rows]),
        "",
    ]


def decoding(found: Mapping[str, Any]) -> list[str]:
    """Return the table of what `bench/decode.py` measured."""
    rows = [
        [name, f"{row['tokens_per_second']:,.1f}", f"{row['cache_bytes_per_token']:,}", f"{row['cache_mb']:.1f}"]
        for name, row in found["sides"].items()
    ]
    head = ["keys", "tokens/s", "cache bytes a token", "cache MB at the end"]
    told = f"`python bench/decode.py`: {found['what']}."
    return ["## What shared keys save in decoding", "", told, "", *markdown([head, *rows]), ""]


def block(words: Sequence[str]) -> list[str]:
    """Return a command as a block of code."""
    return ["```", shlex.join(words), "```", ""]


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; all columns but the first are numbers."""
    head, *rest = rows
    return [f"| {' | '.join(row)} |" for row in (head, ["---", *["--:"] * (len(head) - 1)], *rest)]
