"""`trivium tokenizer`: train a tokenizer, or measure one on text."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.argument import options as o
from trivium.cli.argument.decorator import speaking_as

tokenizer = typer.Typer(name="tokenizer", help="Train a tokenizer, or measure one.", no_args_is_help=True)


@tokenizer.command()
@speaking_as
def train(
    sources: Annotated[list[str], typer.Argument(help="Folders, files, or the word `embedded`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The tokenizer folder to write.")],
    vocab_size: o.VocabSize = None,
    force: o.Force = False,
) -> None:
    """Train byte-level BPE."""
    from trivium.base.files import vacant
    from trivium.base.log import say, waiting
    from trivium.corpus.clean.clean import clean
    from trivium.corpus.read.sources import read
    from trivium.token.bpe import USUAL
    from trivium.token.template import CHAT_TEMPLATE
    from trivium.token.tokenizer import Tokenizer

    vacant(out, force)
    counts: Counter[str] = Counter()
    with waiting("training a tokenizer"):
        made = Tokenizer.train((clean(document.text) for document in read(sources, counts=counts)), vocab_size)
    _tell(counts)
    made.save(out, chat_template=CHAT_TEMPLATE)
    say(
        f"{made.size:,} tokens in {out}" + f"; the text gives no {USUAL:,}" * (vocab_size is None and made.size < USUAL)
    )


@tokenizer.command("eval")
@speaking_as
def evaluate(
    folder: Annotated[Path, typer.Argument(help="A tokenizer or model folder, a tokenizer.json, or hf:OWNER/NAME.")],
    sources: Annotated[list[str], typer.Argument(help="The text to measure on: folders or files.")],
    beside: Annotated[
        list[Path] | None, typer.Option(help="Another tokenizer, measured on the same text; repeatable.")
    ] = None,
    text_key: o.TextKey = None,
) -> None:
    """Show bytes per token by language and source, and the share of documents that decode to the same text."""
    from trivium.base.log import result, waiting
    from trivium.corpus.measure import compare, lines
    from trivium.corpus.read.reading import Reading

    folders = [folder, *(beside or ())]
    counts: Counter[str] = Counter()
    with waiting("measuring"):
        found = compare(folders, sources, Reading(text_key=text_key), counts)
    for line in lines(list(map(str, folders)), found):
        result(line)
    _tell(counts)


def _tell(counts: Counter[str]) -> None:
    from trivium.base.log import warn

    for reason, count in counts.items():
        warn(f"{reason}: {count:,}")
