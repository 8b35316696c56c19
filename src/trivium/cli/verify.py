"""`trivium verify`: whether every way of computing a model says the same, and a run its certificate."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.argument import options as o


def verify(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="A model folder, or hf:OWNER/NAME; with --step a run folder.")],
    step: Annotated[
        int | None,
        typer.Option(min=1, help="Run the steps of a deterministic run up to this one again; compare its certificate."),
    ] = None,
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

    With --step, run the steps of a deterministic run again, from the newest checkpoint before, and compare them with
    its certificate. A difference sets the exit code to 1.
    """
    from trivium.base.errors import ConfigError
    from trivium.study.verify.certificate import certify
    from trivium.study.verify.rerun import rerun

    others = o.given(context, ("texts", "count", "new_tokens", "exact", "gguf", "ctranslate2"))
    if step is not None and others:
        raise ConfigError(
            f"--{next(iter(others)).replace('_', '-')}: is for models, and --step is for runs; leave one out"
        )
    findings = (
        rerun(model, step) if step is not None else certify(model, texts, count, new_tokens, exact, gguf, ctranslate2)
    )
    raise typer.Exit(any(finding.verdict == "different" for finding in findings))
