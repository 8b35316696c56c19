"""`trivium recipes`, `schema` and `learn`: the recipes, tours and course that come with Trivium."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.cli.argument import options as o


def recipes(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Copy these: llama-tiny 3_attention ...")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder to copy to; without names, copy all [.].")
    ] = None,
    force: o.Force = False,
) -> None:
    """List the recipes and tours that come with Trivium, or copy them into folders `recipes` and `tours`."""
    from trivium.base.log import say
    from trivium.lab import recipes as room

    if not names and out is None:
        for line in room.listing():
            say(line)
        say("\ntrivium recipes -o .   copies them all here; trivium recipes NAME copies one")
        return
    made = room.copy(names or [], out or Path(), force)
    for path in made[:8]:
        say(f"{path}")
    if len(made) > 8:
        say(f"and {len(made) - 8} more")


def schema(
    out: Annotated[Path, typer.Option("--out", "-o", help="The JSON file.")] = Path("recipe.schema.json"),
) -> None:
    """Write the JSON schema of recipes, with which editors complete and check them."""
    from trivium.base.files import write_json
    from trivium.base.log import say
    from trivium.base.schema import schema
    from trivium.train.recipe import Recipe

    write_json(out, schema(Recipe))
    say(f"the schema is {out}; name it in the first line of a recipe: #:schema {out}")


def learn(
    file: Annotated[Path | None, typer.Argument(help="With --check: your file [print the exercise].")] = None,
    check: Annotated[str | None, typer.Option(help="Judge the function of an exercise that you wrote.")] = None,
    run: Annotated[
        list[str] | None, typer.Option(help="Run the experiment of a page, or of all, for its numbers; repeatable.")
    ] = None,
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the course.")] = Path("runs/learn"),
    opened: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = True,
) -> None:
    """Build the course, a page for each idea, in English and Chinese; measure on this machine what a page says.

    With --check judge a function that you wrote, such as attention. A wrong one gets a hint, and the exit code 1.
    """
    if check is not None:
        from trivium.study.course.judge import check as judge

        raise typer.Exit(judge(check, file))
    from trivium.study.course import course

    course.alone(file)
    course.check_language(language)
    if run:
        course.run(run, out)
    course.build(out)
    course.show(out, language, opened=opened)
