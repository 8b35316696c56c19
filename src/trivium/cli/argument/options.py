"""The arguments and options that several commands share: each has one spelling and one help text."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

ModelFolder = Annotated[Path, typer.Argument(help="A model folder, or hf:OWNER/NAME.")]
RecipeFile = Annotated[Path, typer.Argument(help="A recipe (TOML file).")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Overrides of the recipe as key=value: optim.lr=3e-4 data.length=64 ...")
]
TaskOverrides = Annotated[
    list[str] | None,
    typer.Argument(help='Overrides of rows and task as key=value: columns=["1","2"] task.beam.beams=8 ...'),
]

ChatTemplate = Annotated[
    str | None, typer.Option("--template", help="The name of one of the folder's chat templates [default].")
]
TaskName = Annotated[str | None, typer.Option("--task", help="The task [the one the model was tuned for].")]
Format = Annotated[str | None, typer.Option("--format", help="The format of the rows [found from their keys].")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Count rows that do not fit instead of stopping.")]
Columns = Annotated[
    str | None, typer.Option("--columns", help="The columns of input and answer: text,category; by number: 1,2.")
]
TooLong = Annotated[str | None, typer.Option(help="drop, truncate-context or truncate-left [drop].")]
TextKey = Annotated[
    str | None, typer.Option("--text-key", help="The key of the text in rows, or several: title,body [text,content].")
]
Encoding = Annotated[str | None, typer.Option(help="The encoding of the files: utf-16, gb18030 ... [UTF-8].")]
AsText = Annotated[str | None, typer.Option(help="More kinds of files to read as plain text: rst,py,json ...")]
VocabSize = Annotated[
    int | None,
    typer.Option(
        "--vocab-size", min=64, help="Tokens of a new tokenizer, a multiple of 64 [8192, or what a small text gives]."
    ),
]
Imports = Annotated[list[str] | None, typer.Option("--imports", help="A Python file of your own kinds; repeatable.")]
Revision = Annotated[str | None, typer.Option("--revision", help="A branch, tag or commit of the model of the hub.")]
NoVerify = Annotated[
    bool, typer.Option("--no-verify", help="Take folders that have changed, or weights that are not finite.")
]
Exact = Annotated[
    bool, typer.Option("--exact", help="No answer depends on those beside it, to the bit; slower, float32 only.")
]
Weights = Annotated[
    str,
    typer.Option(help="How weights are kept: own (the folder's dtype), fp32, bf16, int8, auto (the faster of two)."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results, warnings and errors only.")]
LogFile = Annotated[Path | None, typer.Option("--log-file", help="Add what is printed to this file, with the time.")]
Force = Annotated[bool, typer.Option("--force", help="Write in place of what is there.")]
Html = Annotated[bool, typer.Option("--html", help="Write an HTML page instead of lines.")]
Page = Annotated[Path, typer.Option("--out", "-o", help="The HTML page.")]


def reading(
    format: str | None,
    skip_bad: bool,
    columns: str | None,
    encoding: str | None,
    too_long: str | None = None,
    template: str | None = None,
) -> dict[str, str | None]:
    """Return what these options set in a recipe."""
    return {
        "data.rows.format": format,
        "data.rows.skip_bad": "true" if skip_bad else None,
        "data.rows.columns": json.dumps(columns.split(",")) if columns else None,
        "data.rows.encoding": encoding,
        "data.too_long": too_long,
        "template": f'{{kind = "named", name = {json.dumps(template)}}}' if template is not None else None,
    }


def given(context: typer.Context, names: Iterable[str]) -> dict[str, Any]:
    """Return the values of those options that the command line gives, by name."""
    return {
        name: context.params[name]
        for name in names
        if getattr(context.get_parameter_source(name), "name", "") != "DEFAULT"
    }
