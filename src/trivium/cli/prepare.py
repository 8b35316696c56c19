"""`trivium prepare`: sources become a data folder."""

from pathlib import Path
from typing import Annotated, Any

import typer


def prepare(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folders, files (.txt .md .jsonl .csv .tsv .parquet, also .gz .zst .xz), or the word `embedded`."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The data folder to make.")],
    tokenizer: Annotated[str | None, typer.Option(help="A tokenizer or model folder to use, or `bytes`.")] = None,
    vocab_size: Annotated[int, typer.Option(help="Tokens of the tokenizer that is trained.")] = 8192,
    valid_share: Annotated[float, typer.Option(help="The share of documents that is held out.")] = 0.05,
    filter: Annotated[str, typer.Option(help="What is dropped: none, light or web.")] = "light",
    language: Annotated[list[str] | None, typer.Option(help="Keep only this one; en, zh ... [all of them].")] = None,
    decontaminate: Annotated[
        list[str] | None, typer.Option(help="Drop what shares text with this evaluation file; may be given again.")
    ] = None,
    near: Annotated[bool, typer.Option(help="Drop near duplicates too.")] = True,
    paragraphs: Annotated[bool, typer.Option(help="Leave out long paragraphs that stood before.")] = False,
    sentence_lines: Annotated[bool, typer.Option(help="Give every sentence a line of its own.")] = False,
    text_key: Annotated[str | None, typer.Option(help="The key of the text in rows [text or content].")] = None,
    invalid: Annotated[str, typer.Option(help="Invalid UTF-8: replace, strict or drop.")] = "replace",
    keep_dropped: Annotated[Path | None, typer.Option(help="Write what is dropped, with the reason, here.")] = None,
    set: Annotated[list[str] | None, typer.Option(help="Any other field: filter.quality.min_words=30 ...")] = None,
) -> None:
    """Clean, split, dedup and encode text into a data folder."""
    from trivium.base.config import override, parse
    from trivium.base.log import say
    from trivium.data.prepare import Preparation, prepare
    from trivium.data.report import lines

    tree: dict[str, Any] = {
        "tokenizer": tokenizer, "vocab_size": vocab_size, "valid_share": valid_share, "filter": filter,
        "paragraphs": paragraphs, "sentence_lines": sentence_lines, "languages": language,
        "reading": {"text_key": text_key, "invalid": invalid},
    }  # fmt: skip
    if decontaminate:
        tree["contamination"] = {"against": decontaminate}
    if not near:
        tree["near"] = None
    preparation = parse(Preparation, override(tree, set or ()), "prepare")
    manifest = prepare(sources, out, preparation, keep_dropped, progress=lambda step: say(f"{step} ..."))
    for line in lines(manifest):
        say(line)
    say(f"the data is in {out}" if manifest["fresh"] else f"{out} is up to date; nothing was done")
