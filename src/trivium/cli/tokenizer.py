"""`trivium tokenizer`: train one, or look at what one does to text."""

from pathlib import Path
from typing import Annotated

import typer

tokenizer = typer.Typer(name="tokenizer", help="Train a tokenizer, or measure one.", no_args_is_help=True)


@tokenizer.command()
def train(
    sources: Annotated[list[str], typer.Argument(help="Folders, files, or the word `embedded`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The tokenizer folder to write.")],
    vocab_size: Annotated[int, typer.Option(help="Tokens, control tokens included; a multiple of 64.")] = 8192,
) -> None:
    """Train byte-level BPE."""
    from trivium.base.log import say
    from trivium.text.clean import clean
    from trivium.text.sources import read
    from trivium.text.template import CHAT_TEMPLATE
    from trivium.text.tokenizer import Tokenizer

    made = Tokenizer.train((clean(document.text) for document in read(sources)), vocab_size)
    made.save(out, chat_template=CHAT_TEMPLATE)
    say(f"{made.size:,} tokens in {out}")


@tokenizer.command("eval")
def evaluate(
    folder: Annotated[Path, typer.Argument(help="A tokenizer folder or tokenizer.json.")],
    sources: Annotated[list[str], typer.Argument(help="Text to measure it on.")],
) -> None:
    """Bytes per token, and whether text comes back as it was."""
    from trivium.base.log import say
    from trivium.text.measure import measure

    found = measure(folder, sources)
    say(f"{found.bytes / max(found.tokens, 1):.3f} bytes per token: {found.bytes:,} bytes, {found.tokens:,} tokens, "
        f"{found.documents:,} documents, {found.changed:,} of them changed by encoding and decoding")  # fmt: skip
