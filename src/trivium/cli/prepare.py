"""`trivium prepare`: sources become a data folder."""

from pathlib import Path
from typing import Annotated, Any

import typer


def prepare(
    out: Annotated[Path, typer.Option("--out", "-o", help="The data folder to make.")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folders, files (.txt .md .html .jsonl .csv .tsv .parquet, also .gz .zst .xz), data sets as "
            "hf:NAME[:SPLIT][:COLUMN] (hf:Skylion007/openwebtext), or the word `embedded`."
        ),
    ] = None,
    tokenizer: Annotated[str | None, typer.Option(help="A tokenizer or model folder to use, or `bytes`.")] = None,
    vocab_size: Annotated[int, typer.Option(help="Tokens of the tokenizer that is trained.")] = 8192,
    valid_share: Annotated[float, typer.Option(help="The share of documents that is held out.")] = 0.05,
    filter: Annotated[str, typer.Option(help="What is dropped: none, light or web.")] = "light",
    language: Annotated[list[str] | None, typer.Option(help="Keep only this one; en, zh ... [all of them].")] = None,
    decontaminate: Annotated[
        list[str] | None, typer.Option(help="Drop what shares text with this evaluation file; may be given again.")
    ] = None,
    near: Annotated[bool, typer.Option(help="Drop near duplicates too.")] = True,
    paragraphs: Annotated[bool, typer.Option(help="Leave out long paragraphs that stand elsewhere.")] = False,
    sentence_lines: Annotated[bool, typer.Option(help="Give every sentence a line of its own.")] = False,
    text_key: Annotated[str | None, typer.Option(help="The key of the text in rows [text or content].")] = None,
    encoding: Annotated[str | None, typer.Option(help="What files are in: utf-16, gb18030 ... [UTF-8].")] = None,
    invalid: Annotated[str, typer.Option(help="Invalid UTF-8: replace, strict or drop.")] = "replace",
    keep_dropped: Annotated[Path | None, typer.Option(help="Write what is dropped, with the reason, here.")] = None,
    shards: Annotated[int | None, typer.Option(help="Divide the work into so many [by size].")] = None,
    engine: Annotated[str, typer.Option(help="Where the work is done: local, ray or slurm.")] = "local",
    workers: Annotated[int | None, typer.Option(help="Processes of the local engine [the cores].")] = None,
    keep_work: Annotated[bool, typer.Option(help="Keep what shortens the next preparation, in OUT.work.")] = True,
    set: Annotated[list[str] | None, typer.Option(help="Any other field: filter.quality.min_words=30 ...")] = None,
    stage: Annotated[str | None, typer.Option(help="Do one task of a planned preparation.", hidden=True)] = None,
    shard: Annotated[int, typer.Option(help="The task's shard.", hidden=True)] = 0,
    plan: Annotated[str | None, typer.Option(help="The plan that the task belongs to.", hidden=True)] = None,
) -> None:
    """Clean, split, dedup and encode text into a data folder."""
    from trivium.base.config import override, parse
    from trivium.base.errors import ConfigError
    from trivium.base.log import say
    from trivium.corpus import prepare as room
    from trivium.corpus.engine import Running
    from trivium.corpus.report import lines
    from trivium.lab.corpus import write_page

    if stage is not None:
        if room.perform(out, stage, shard, plan):
            write_page(out)
        return
    if not sources:
        raise ConfigError("prepare: expected SOURCE: folders, files or the word `embedded`")
    tree: dict[str, Any] = {
        "tokenizer": tokenizer,
        "vocab_size": vocab_size,
        "valid_share": valid_share,
        "filter": filter,
        "paragraphs": paragraphs,
        "sentence_lines": sentence_lines,
        "languages": language,
        "shards": shards,
        "reading": {"text_key": text_key, "encoding": encoding, "invalid": invalid},
        "engine": {"kind": engine} if workers is None else {"kind": engine, "workers": workers},
    }
    if workers is not None and engine != "local":
        raise ConfigError(f"--workers: expected the local engine, which alone has workers, found --engine {engine}")
    if decontaminate:
        tree["contamination"] = {"against": decontaminate}
    if not near:
        tree["near"] = None
    tree = override(tree, set or ())
    where = parse(Running, {"engine": tree.pop("engine")}, "prepare").engine
    preparation = parse(room.Preparation, tree, "prepare")
    manifest = room.prepare(sources, out, preparation, keep_dropped, lambda step: say(f"{step} ..."), where, keep_work)
    if "submitted" in manifest:
        return say(f"submitted; when the last job has ended the data is in {out}: trivium show {out}")
    if manifest["fresh"]:
        write_page(out)
    for line in lines(manifest):
        say(line)
    say(
        f"the data is in {out}, its report in {out}/report.html"
        if manifest["fresh"]
        else f"{out} is up to date; nothing was done"
    )
