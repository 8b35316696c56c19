"""`trivium lines`: draw lines of print, each a picture beside its text."""

from pathlib import Path
from typing import Annotated

import typer

from trivium.base.seeds import LARGEST
from trivium.cli.argument import options as o


def lines(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of pictures and rows.jsonl.")],
    count: Annotated[int, typer.Option(min=1, max=10**9 - 1, help="The number of lines.")] = 1000,
    level: Annotated[str, typer.Option(help="clean, worn or hard; several in turn as clean+hard.")] = "clean",
    part: Annotated[
        str,
        typer.Option(
            help="train; or held-out texts in the faces of training (texts), in a held-out face (face), "
            "in a held-out family (family)."
        ),
    ] = "train",
    text: Annotated[
        list[str] | None, typer.Option(help="A folder, a file or a data folder of text; repeatable [embedded].")
    ] = None,
    font: Annotated[
        list[str] | None, typer.Option(help="A font file, a folder of them, or an installed family; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Other lines for another seed.")] = 0,
    force: o.Force = False,
) -> None:
    """Draw lines of print: a picture of each, 32 pixels high, beside its text."""
    from trivium.base.files import vacant
    from trivium.base.log import say, warn
    from trivium.image.lines.line import Drawing
    from trivium.rows.lines import write_lines

    vacant(out, force)
    drawing = Drawing(text=tuple(text or ["embedded"]), fonts=tuple(font or []), seed=seed)
    made = write_lines(out, f"lines:{level}:{part}:{count}", drawing)
    for remark in made.remarks:
        warn(remark)
    say(f"{len(made):,} lines in {', '.join(face.name for face in made.faces)}: {out / 'rows.jsonl'}")


def read(
    pages: Annotated[list[Path], typer.Argument(help="Pictures of printed pages: PNG, JPEG ...")],
    model: Annotated[Path, typer.Option(help="A model folder of a reader of lines.")] = Path("runs/reader/model"),
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line: text, box [left, top, right, bottom], confidence.")
    ] = False,
) -> None:
    """Read printed pages: the text of each line, from top to bottom."""
    import json

    from trivium.api import load
    from trivium.base.log import result
    from trivium.model.device import pick
    from trivium.task.page import read_page

    loaded = load(model, device=pick())
    for page in pages:
        for line in read_page(loaded, page):
            row = {"page": str(page), **line.record()}
            result(json.dumps(row, ensure_ascii=False) if as_json else line.text)
