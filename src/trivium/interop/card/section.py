"""The sections of a card that tell how a model came about. Each says what is known, and nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import PurePath
from typing import Any

from trivium.base.folder import is_hub
from trivium.model.config import ModelConfig

Record = Mapping[str, Any]
FIELDS = ("batch_tokens", "precision", "clip", "seed")
"""The fields of a recipe that a card tells as they are."""
PARITY = "parity.json"
"""The file of `trivium verify` in a model folder."""
VERIFIED = f"- `trivium verify` ([{PARITY}]({PARITY})): "
"""How the line of a card begins that tells what `trivium verify` found."""
CITATION = """```bibtex
@software{{trivium,
  title = {{Trivium: from a folder of raw text to a trained, fine-tuned, served and exported Transformer}},
  author = {{{{The Trivium developers}}}},
  version = {{{version}}},
  license = {{Apache-2.0}}
}}
```"""


def table(head: Sequence[str], rows: Mapping[str, Any]) -> list[str]:
    """Return a table of two columns in Markdown; nothing where there are no rows."""
    lines = [f"| {' | '.join(head)} |".replace("  ", " "), "|---|---|"]
    return [*lines, *(f"| {key} | {value} |" for key, value in rows.items())] if rows else []


def base(record: Record) -> str | None:
    """Return the model that training began with: `hf:OWNER/NAME`, or the end of its path."""
    name = record.get("recipe", {}).get("init") or record.get("base")
    return name if name is None or is_hub(name) else "/".join(PurePath(name).parts[-2:])


def data(record: Record) -> list[str]:
    """Return what the model was trained on, and the licence of it if one was given."""
    if "recipe" not in record:
        return []
    lines = []
    for one in record.get("trained_on", []):
        sizes = [f"{one[key]:,} {key}" for key in ("documents", "tokens", "bytes") if key in one]
        more = [", ".join(sizes), ", ".join(one.get("languages", [])), ", ".join(one.get("hub", []))]
        lines.append("; ".join([f"- `{one['name']}`", *filter(None, more)]))
    licence = record.get("data_license") or "not given; look at the sources before you share the model"
    return [*lines, f"- licence of the data: {licence}", *_identity(record)]


def _identity(record: Record) -> list[str]:
    return [f"- identity of the data: `{record['data']}`"] if isinstance(record.get("data"), str) else []


def training(record: Record) -> list[str]:
    """Return the base of the model, and the recipe of its training in short."""
    recipe, rows = record.get("recipe", {}), {}
    if (begun := base(record)) is not None:
        rows["base"] = f"`{begun}`"
    for name in ("objective", "optim", "schedule", "lora"):
        if chosen := recipe.get(name):
            rows[name] = ", ".join(_chosen(chosen)) if isinstance(chosen, Mapping) else chosen
    rows |= {name: recipe[name] for name in FIELDS if name in recipe}
    result = record.get("result") or {}
    rows |= {name: f"{result[key]:,}" for name, key in (("steps", "step"), ("tokens read", "tokens")) if key in result}
    if found := record.get("certificate"):
        rows["certificate"] = (
            f"chain `{found['chain']}` of {found['steps']:,} steps, {found['threads']} threads, torch {found['torch']}"
            f"; `trivium verify RUN --step {found['steps']}` runs them again"
        )
    whole = ["", "The whole recipe is in `trivium.json`."] if recipe else []
    return [*table(("", ""), rows), *whole] if rows else []


def _chosen(chosen: Mapping[str, Any]) -> Iterator[str]:
    """Yield the kind, then each field that is a number or a word."""
    for name, value in chosen.items():
        if name == "kind":
            yield str(value)
        elif isinstance(value, int | float | str):
            yield f"{name} {value}"


def scores(record: Record) -> list[str]:
    """Return every score that was measured: on held-out text, and of tasks."""
    rows = {f"held-out {name.replace('_', ' ')}": value for name, value in (record.get("held_out") or {}).items()}
    for task, found in (record.get("evaluation") or {}).items():
        named = found.items() if isinstance(found, Mapping) else ()
        rows |= {f"{task}: {name}": value for name, value in named} or {task: found}
    return table(("measure", "value"), {name: _shown(value) for name, value in rows.items() if _number(value)})


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def limits(config: ModelConfig, record: Record) -> list[str]:
    """Return what the model cannot do, as far as its config and its training tell."""
    lines = [f"- It reads at most {config.limit or config.context:,} tokens at once."]
    if config.limit is None:
        lines = [f"- It was made for texts of at most {config.context:,} tokens."]
    facts = record.get("trained_on", [])
    if spoken := sorted({code for one in facts for code in one.get("languages", [])}):
        lines.append(
            f"- The text that it was trained on is in: {', '.join(spoken)}. It knows little of other languages."
        )
    if tokens := sum(one.get("tokens", 0) for one in facts):
        lines.append(f"- It was trained on {tokens:,} tokens, {tokens / record['parameters']:.2g} for each parameter.")
    writes = config.decoder is not None and config.head.kind == "lm"
    if writes and "recipe" in record and not record.get("task"):
        lines.append("- It continues text; it was not tuned to answer or to follow instructions.")
    if writes:
        lines.append("- What it writes may be false or harmful, as its data may be. Nobody has tested it for safety.")
    elif record.get("task"):
        lines.append("- Its scores hold for texts like those that it was tuned on.")
    if "recipe" in record and not scores(record):
        lines.append("- It was not evaluated on held-out data.")
    return lines


def with_parity(card: str, found: str) -> str:
    """Return a card with the line of a certificate, in place of an older one, at the beginning of its limits."""
    lines = [line for line in card.splitlines() if not line.startswith(VERIFIED)]
    if "## Limits" not in lines:
        lines += ["", "## Limits", ""]
    at = lines.index("## Limits") + 2
    return "\n".join([*lines[:at], f"{VERIFIED}{found}", *lines[at:]]) + "\n"


def citation() -> list[str]:
    """Return how to cite the software."""
    return CITATION.format(version=version("trivium")).splitlines()
