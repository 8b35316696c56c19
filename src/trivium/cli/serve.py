"""`trivium serve`: models behind an address."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.argument import options as o
from trivium.cli.argument import sampling as s


def serve(
    models: Annotated[list[str], typer.Argument(help="Model folders, adapters of them, or hf:OWNER/NAME.")],
    served_model_name: Annotated[
        list[str] | None, typer.Option(help="The name of a model in requests, one for each [its folder's].")
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen at; another than this machine's needs a key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen at; 0 takes a free one.")] = 8000,
    key_file: Annotated[
        Path | None, typer.Option(help="A file with the key that requests must bring [TRIVIUM_API_KEY].")
    ] = None,
    memory: Annotated[float, typer.Option(min=0.001, max=1e6, help="GiB for the keys and values of each model.")] = 1.0,
    waiting: Annotated[int, typer.Option(min=1, max=100_000, help="The most rows of a model in progress.")] = 64,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="The most new tokens of an answer.")] = 4096,
    weights: o.Weights = "own",
    exact: Annotated[bool, typer.Option("--exact", help="No answer depends on those beside it (float32).")] = False,
    check: s.Check = None,
    cors: Annotated[list[str] | None, typer.Option(help="An origin of web pages that may ask; repeatable.")] = None,
    log_prompts: Annotated[bool, typer.Option("--log-prompts", help="Log the bodies of requests too.")] = False,
) -> None:
    """Serve models over HTTP, in OpenAI's form."""
    from trivium.base.config import parse
    from trivium.base.plugin import extra

    for module in ("fastapi", "uvicorn", "prometheus_client"):
        extra(module, "trivium serve")
    from trivium.serve.served import Catalog, labels, loader
    from trivium.serve.server import run
    from trivium.serve.settings import Settings, key_of

    settings = parse(
        Settings,
        {
            "host": host,
            "port": port,
            "key": key_of(key_file),
            "memory_gib": memory,
            "waiting": waiting,
            "weights": weights,
            "exact": exact,
            "max_new_tokens": max_new_tokens,
            "cors": cors or [],
            "log_prompts": log_prompts,
        },
        "serve",
    )
    catalog = Catalog(settings)
    run(catalog, loader(catalog, list(labels(models, served_model_name or ())), check))
