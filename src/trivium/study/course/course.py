"""The course: build its pages into a folder, and run the experiments of its lessons for them.

A folder of the course holds `en` and `zh` with the pages, and `numbers` with what this machine has measured. Where it
has measured nothing yet, a page shows the numbers that come with Trivium, and says so.
"""

import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from trivium.base.errors import ConfigError, TriviumError
from trivium.base.files import write_json, write_text
from trivium.base.log import duration, say, watched
from trivium.lab import recipes
from trivium.study.course import page as pages
from trivium.study.course.lesson import kept, lesson, lessons
from trivium.study.course.page import LANGUAGES
from trivium.study.course.render import Renderer

ALL = "all"


def home() -> Path:
    """Return the folder of the texts, drawings and numbers that come with Trivium."""
    return recipes.root() / "learn"


def build(out: Path) -> None:
    """Write the pages of every language into a folder. A TriviumError: it holds something else."""
    _check(out)
    renderer, texts = Renderer(home()), {language: pages.pages(home(), language) for language in LANGUAGES}
    names = [page.name for page in texts[LANGUAGES[0]]]
    own = {name: (out / "numbers" / f"{name}.json").is_file() for name in names}
    files = {name: (out if own[name] else home()) / "numbers" / f"{name}.json" for name in names}
    records = {page.name: kept(files[page.name], page.places) for page in texts[LANGUAGES[0]]}
    shown = watched(names, "making the drawings", "pages")
    drawings = {name: lesson(name).drawing(records[name]["numbers"]) for name in shown}
    for language, listed in texts.items():
        for before, page, after in zip([None, *listed], listed, [*listed[1:], None], strict=False):
            made = renderer.page(page, records[page.name], own[page.name], drawings[page.name], (before, after))
            write_text(out / language / f"{page.stem}.html", made)
        write_text(out / language / "index.html", renderer.index(language, listed, own))


def run(names: Sequence[str], out: Path) -> None:
    """Run the experiments of lessons, or of `all`, and keep their numbers in a folder of the course."""
    _check(out)
    chosen = [*lessons().values()] if ALL in names else [lesson(name) for name in names]
    with tempfile.TemporaryDirectory(prefix="trivium-learn-") as scratch:
        for one in chosen:
            say(f"{one.name}: measuring")
            record = one.run(Path(scratch))
            write_json(out / "numbers" / f"{one.name}.json", record)
            say(f"{one.name}: measured in {duration(record['seconds'])} of CPU time")
            for name, value in record["numbers"].items():
                if isinstance(value, int | float):
                    say(f"   {name:<28} {pages.written(value)}")


def show(out: Path, language: str, stem: str = "index", opened: bool = True) -> None:
    """Say where a page of a built course is, and open it in a browser if there is one."""
    path = (out / language / f"{stem}.html").resolve()
    say(f"the course is {path}")
    if opened and not webbrowser.open(path.as_uri()):
        say("no browser was found here; open the file in one")


def alone(file: Path | None) -> None:
    """Raise ConfigError for a file that no exercise judges."""
    if file is not None:
        raise ConfigError(f"{file}: expected --check with an exercise: --check attention {file}")


def check_language(language: str) -> None:
    """Raise ConfigError for a language that the course does not have."""
    if language not in LANGUAGES:
        raise ConfigError(f"--language: expected {' or '.join(LANGUAGES)}, found {language!r}")


def _check(out: Path) -> None:
    """Raise TriviumError where a folder holds something that is no course."""
    if out.is_file() or (
        out.is_dir() and any(out.iterdir()) and not ({*LANGUAGES, "numbers"} & {p.name for p in out.iterdir()})
    ):
        raise TriviumError(f"{out}: exists and is no folder of the course; name another with --out")
