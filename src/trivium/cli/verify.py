"""`trivium verify`: whether every way of computing a model says the same."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.argument import options as o


def verify(
    model: o.ModelFolder,
    texts: Annotated[
        Path | None, typer.Option(help="Texts to read: lines of a file, rows, or a data folder [texts of our own].")
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1000, help="The number of texts.")] = 8,
    new_tokens: Annotated[int, typer.Option(min=1, max=10_000, help="The most tokens to write after each.")] = 32,
    exact: Annotated[bool, typer.Option("--exact", help="Demand the bits of one text alone from a crowd.")] = False,
    gguf: Annotated[Path | None, typer.Option(help="A GGUF file of the model, for llama.cpp.")] = None,
    ctranslate2: Annotated[Path | None, typer.Option(help="A CTranslate2 folder of the model.")] = None,
) -> None:
    """Compare every way of computing a model with the trainer's forward, and write parity.json.

    A difference sets the exit code to 1.
    """
    from trivium.study.verify.certificate import certify

    findings = certify(model, texts, count, new_tokens, exact, gguf, ctranslate2)
    raise typer.Exit(any(finding.verdict == "different" for finding in findings))
