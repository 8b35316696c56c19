"""`trivium prepare`: raw text becomes a data folder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from trivium.cli.argument import options as o

FIELDS = ("tokenizer", "vocab_size", "valid_share", "filter", "paragraphs", "sentence_lines", "shards")
READING = ("text_key", "encoding", "invalid", "as_text")
SOURCES = (
    "Folders, files (.txt .md .html .jsonl .csv .tsv .parquet, also .gz .zst .xz), data sets as "
    "hf:NAME[:SPLIT][:COLUMN] (hf:Skylion007/openwebtext), or the word `embedded`."
)


def prepare(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", "-o", help="The data folder to make.")],
    sources: Annotated[list[str] | None, typer.Argument(help=SOURCES)] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="A tokenizer or model folder, hf:OWNER/NAME, or `bytes`.")
    ] = None,
    vocab_size: o.VocabSize = None,
    valid_share: Annotated[float, typer.Option(min=0, max=1, help="The share of documents that is held out.")] = 0.05,
    filter: Annotated[str, typer.Option(help="Which documents are dropped: none, light or web.")] = "light",
    language: Annotated[list[str] | None, typer.Option(help="Keep only this language: en, zh ... [all].")] = None,
    decontaminate: Annotated[list[str] | None, typer.Option(help="Drop texts that this evaluation file has.")] = None,
    near: Annotated[bool, typer.Option(help="Drop near duplicates too.")] = True,
    paragraphs: Annotated[bool, typer.Option(help="Drop long paragraphs that another document has too.")] = False,
    sentence_lines: Annotated[bool, typer.Option(help="Write each sentence on its own line.")] = False,
    text_key: o.TextKey = None,
    as_text: o.AsText = None,
    skip_bad: o.SkipBad = False,
    encoding: o.Encoding = None,
    invalid: Annotated[str, typer.Option(help="Invalid UTF-8: replace, strict or drop.")] = "replace",
    keep_dropped: Annotated[Path | None, typer.Option(help="Write dropped documents and reasons here.")] = None,
    shards: Annotated[int | None, typer.Option(min=1, help="The number of shards of the work [by size].")] = None,
    engine: Annotated[str, typer.Option(help="Where the work runs: local, ray or slurm.")] = "local",
    workers: Annotated[int | None, typer.Option(min=1, max=1024, help="Processes, engine local [the cores].")] = None,
    keep_work: Annotated[bool, typer.Option(help="Keep intermediate results for the next run, in OUT.work.")] = True,
    index: Annotated[bool, typer.Option("--index", help="Index the data for `trivium trace`.")] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Override any other field: filter.quality.min_words=30 ...")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Do one task of a planned preparation.", hidden=True)] = None,
    force: o.Force = False,
    shard: Annotated[int, typer.Option(help="The task's shard.", hidden=True)] = 0,
    plan: Annotated[str | None, typer.Option(help="The plan of the task.", hidden=True)] = None,
) -> None:
    """Clean, deduplicate, split and encode text into a data folder."""
    from trivium.base.config import override, parse
    from trivium.base.errors import ConfigError
    from trivium.base.log import say
    from trivium.corpus import prepare as room
    from trivium.corpus.engine import Running
    from trivium.corpus.report import lines
    from trivium.data.suffix import build
    from trivium.lab.corpus import write_page

    if stage is not None:
        if room.perform(out, stage, shard, plan):
            write_page(out)
        return
    if not sources:
        raise ConfigError("prepare: expected SOURCE: folders, files or the word `embedded`")
    if (workers is not None or index) and engine != "local":
        what = "--index" if index else "--workers"
        raise ConfigError(f"{what}: only the local engine has that, found --engine {engine}; leave one out")
    reading = o.given(context, READING) | ({"broken": "drop"} if skip_bad else {})
    tree: dict[str, Any] = {**o.given(context, FIELDS), "languages": language, "reading": reading}
    tree |= ({"contamination": {"against": decontaminate}} if decontaminate else {}) | ({} if near else {"near": None})
    tree["engine"] = {"kind": engine} if workers is None else {"kind": engine, "workers": workers}
    tree = override(tree, overrides or ())
    where = parse(Running, {"engine": tree.pop("engine")}, "prepare").engine
    preparation = parse(room.Preparation, tree, "prepare")
    manifest = room.prepare(
        sources, out, preparation, keep_dropped, lambda step: say(f"{step} ..."), where, keep_work, force
    )
    if "submitted" in manifest:
        return say(f"submitted; after the last job the data is in {out}: trivium show {out}")
    for line in lines(manifest):
        say(line)
    if fresh := manifest["fresh"]:
        write_page(out)
    say(f"the data is in {out}, its report in {out}/report.html" if fresh else f"{out} is up to date; nothing was done")
    if index:
        say(f"{build(out)} indexes were made for `trivium trace`")
