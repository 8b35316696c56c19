"""`trivium import`, `trivium push` and `trivium export`: models from Hugging Face, to it, and to other programs."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.argument import options as o


def import_(
    folder: Annotated[Path, typer.Argument(help="A Hugging Face model folder, or hf:OWNER/NAME.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The model folder to write.")],
    force: o.Force = False,
) -> None:
    """Check every key of a Hugging Face folder and write a model folder."""
    from trivium.api import load
    from trivium.base.files import vacant
    from trivium.base.log import say

    vacant(out, force)
    model = load(folder)
    if "recipe" not in model.record:
        model.record.setdefault("base", str(folder))
    model.save(out)
    count = sum(parameter.numel() for parameter in model.transformer.parameters())
    say(f"{model.config.family} model with {count:,} parameters in {out}")


def push(
    model: Annotated[Path, typer.Argument(help="A model folder.")],
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository of the hub.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Put a commit on top of the files that it holds.")] = False,
) -> None:
    """Upload a model folder to the Hugging Face hub."""
    from trivium.base.log import say
    from trivium.interop.push import push as upload

    say(f"pushed: {upload(model, name, private, force)}")


def export(
    model: o.ModelFolder,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file, or the folder of ctranslate2, to write.")],
    to: Annotated[str, typer.Option(help="The format: gguf (llama.cpp), ctranslate2, or page (a browser).")] = "gguf",
    quantize: Annotated[
        str | None, typer.Option(help="How matrices are stored: q8_0, int8 ...; page: int8 or fp32.")
    ] = None,
    force: o.Force = False,
) -> None:
    """Write a model folder as one file for llama.cpp, a folder for CTranslate2, or a page that computes it."""
    from trivium.base.errors import ConfigError
    from trivium.base.files import vacant
    from trivium.base.log import say, waiting
    from trivium.interop import ctranslate2, gguf, hub
    from trivium.interop.page import write as page

    vacant(out, force)
    if to == "gguf":
        with waiting(f"writing {out}"):
            gguf.write(out, hub.load(model), quantize, model.resolve().name)
        say(f"{out}: {out.stat().st_size:,} bytes for llama.cpp")
    elif to == "ctranslate2":
        with waiting(f"writing {out}"):
            ctranslate2.write(out, hub.load(model), quantize)
        say(f"{out}: {(out / 'model.bin').stat().st_size:,} bytes for CTranslate2")
    elif to == "page":
        with waiting(f"writing {out}"):
            page.write(out, hub.load(model), quantize, model.resolve().name)
        say(f"{out}: {out.stat().st_size:,} bytes; open it in a browser")
    else:
        raise ConfigError(f"--to: expected gguf, ctranslate2 or page, found {to!r}")
