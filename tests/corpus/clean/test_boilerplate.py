"""Boilerplate: licences, metadata and repeated lines go; texts that only speak of them stay as they are."""

import pytest

from trivium.corpus.clean.boilerplate import drop_front_matter, drop_repeats, unwrap_book

HEADER = (
    "The Project Gutenberg EBook of X\n\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***\n\nProduced by A\nand B.\n\n\n"
)
LICENCE = (
    "\n\nEnd of the Project Gutenberg EBook of X, by Y\n\n*** END OF THIS PROJECT GUTENBERG EBOOK X ***\n" + "law\n" * 9
)
OLD = "Welcome To The World of Free Etexts\n\n**END THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.08.01*END**\n\n"
BODY = "CHAPTER I.\n\nIt was a dark night.\n\n* * * *\n\nTHE END"


@pytest.mark.parametrize(
    "text",
    [
        HEADER + BODY + LICENCE,
        HEADER + BODY,
        BODY + LICENCE,
        OLD + BODY + "\n\nEnd of Project Gutenberg's X\n",
        (HEADER + BODY + LICENCE).replace("*** ", "***").replace("THIS PROJ", "THE PROJ"),
        (HEADER + BODY + LICENCE).replace("EBOOK X ***", "EBOOK A VERY LONG TITLE\nTHAT NEEDS A SECOND LINE ***"),
    ],
)
def test_a_book_stands_alone(text: str) -> None:
    assert unwrap_book(text) == BODY


def test_several_books_in_one_file_are_all_kept() -> None:
    second = "Another text.\n" * 9000
    assert unwrap_book(HEADER + BODY + LICENCE + HEADER + second + LICENCE) == f"{BODY}\n\n{second.strip()}"


@pytest.mark.parametrize(
    "text",
    [
        "I read it at Project Gutenberg, and it was *** START OF a good thing ***.",
        "PROJECT GUTENBERG",
        "a\n" * 70_000 + HEADER + BODY,
        HEADER.strip(),
        "",
    ],
)
def test_a_text_about_books_is_left_alone(text: str) -> None:
    assert unwrap_book(text) is text


def test_front_matter_goes_and_rules_stay() -> None:
    assert drop_front_matter("---\ntitle: A b\ntags:\n  - x\n\n# note\n---\n\nText\n---\nmore") == "Text\n---\nmore"
    for text in (
        "---\nA rule above\n---\nText",
        "a: b\n---\nText",
        "---\nkey: no end\nText",
        "---\na: b\n---\n",
        "---\n",
    ):
        assert drop_front_matter(text) is text


def test_runs_of_one_line_become_one() -> None:
    assert drop_repeats(["a", "a", "a", "b", "", "", "", "", "c", "c"], 2) == ["a", "b", "", "", "", "", "c", "c"]
    lines = ["a", "b", "a"]
    assert drop_repeats(lines, 1) is lines
