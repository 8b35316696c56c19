"""The report of a preparation as lines of text: what came in and went out, what was dropped and why, what is left."""

from collections.abc import Iterator
from typing import Any

HIDDEN = ("step", "seconds")


def lines(manifest: dict[str, Any]) -> Iterator[str]:
    """Tell a data folder's report."""
    report = manifest["report"]
    for step in report["steps"]:
        facts = ", ".join(
            f"{key.replace('_', ' ')} {value:,}"
            for key, value in step.items()
            if key not in HIDDEN and not _same(key, step)
        )
        yield f"{step['step']:<22} {step['seconds']:>7.2f} s   {facts}"
    for title in ("dropped", "mended"):
        for reason, count in sorted(report[title].items(), key=lambda item: -item[1]):
            yield f"{title:<22} {count:>7,}     {reason}"
    for name, found in report.get("languages", {}).items():
        rate = f", {found['bytes'] / found['tokens']:.2f} bytes a token" if found.get("tokens") else ""
        yield f"{'language':<22} {found['documents']:>7,}     {name}, {found['bytes']:,} bytes{rate}"
    for split, counts in report.get("lengths", {}).items():
        if counts:
            yield f"{'tokens a document':<22} {'':>7}     {split}: {histogram(counts)}"
    yield from packing(report.get("packing"))
    for split, shards in manifest["splits"].items():
        documents, tokens = (sum(shard[key] for shard in shards) for key in ("documents", "tokens"))
        yield f"{split:<22} {documents:>7,}     documents, {tokens:,} tokens of {manifest['vocab_size']:,}"


def packing(found: dict[str, Any] | None) -> Iterator[str]:
    """What rows come to, by each way of packing."""
    for name in ("bestfit", "concat"):
        if found and (plan := found.get(name)) and plan["rows"]:
            cut = f"{plan['cut']:,} documents cut ({plan['cut_though_they_fit']:,} of them would fit a row)"
            waste = f"{plan['waste']:.2%} of the places empty"
            yield f"{'rows of ' + format(found['row'], ','):<22} {plan['rows']:>7,}     {name}: {waste}, {cut}"


def histogram(counts: dict[str, int]) -> str:
    """How many documents have how many tokens: the powers of two from the first to the last that any has."""
    return ", ".join(f"to {int(size):,}: {count:,}" for size, count in counts.items())


def _same(key: str, step: dict[str, Any]) -> bool:
    """Whether a fact says what another said already: that as much came in as went out."""
    other = key.replace("_in", "_out")
    return key != other and step.get(other) == step[key]
