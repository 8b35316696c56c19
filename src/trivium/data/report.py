"""What `prepare` did, told to a person: each step, why what was dropped, and what came out."""

from collections.abc import Iterator
from typing import Any


def lines(manifest: dict[str, Any]) -> Iterator[str]:
    """The report of a manifest as lines of text."""
    report = manifest["report"]
    for step in report["steps"]:
        facts = ", ".join(
            f"{key.replace('_', ' ')} {value:,}" for key, value in step.items() if key not in ("step", "seconds")
        )
        yield f"{step['step']:<22} {step['seconds']:>7.2f} s   {facts}"
    for title in ("dropped", "mended"):
        for reason, count in sorted(report[title].items(), key=lambda item: -item[1]):
            yield f"{title:<22} {count:>7,}     {reason}"
    for name, found in report.get("languages", {}).items():
        yield f"{'language':<22} {found['documents']:>7,}     {name}, {found['bytes']:,} bytes"
    for split, shards in manifest["splits"].items():
        documents, tokens = (sum(shard[key] for shard in shards) for key in ("documents", "tokens"))
        yield f"{split:<22} {documents:>7,}     documents, {tokens:,} tokens of {manifest['vocab_size']:,}"
