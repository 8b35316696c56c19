"""What must be the same in a page and its translation, and where two pages differ in it.

Code is compared without its comments and second columns, which are words; numbers there are compared with all others.
"""

import re
from collections import Counter
from collections.abc import Iterator

BLOCK = re.compile(r"^```.*?^```$", re.S | re.M)
PARTS = {
    "link": re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)"),
    "picture": re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)"),
    "code": re.compile(r"`([^`\n]+)`"),
    "number": re.compile(r"\d+(?:[.,]\d+)*"),
    "row of a table": re.compile(r"^\|(?:[^|\n]*\|)+$", re.M),
}


def sections(page: str) -> list[tuple[str, str]]:
    """The sections of a page in order: the signs before each heading, and what stands under it."""
    hidden = BLOCK.sub(lambda block: re.sub("^#", "\0", block[0], flags=re.M), page)
    parts = re.split(r"^(#+) .*$", hidden, flags=re.M)[1:]
    return [(level, text.replace("\0", "#")) for level, text in zip(parts[::2], parts[1::2], strict=True)]


def code(text: str) -> list[str]:
    """The lines of the blocks of a section, each up to its comment or second column."""
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    return [re.split(r"(?<=\S)(?:\s{2,}|\s+# )", line.rstrip())[0] for line in lines]


def differences(one: str, other: str) -> Iterator[str]:
    """Yield what two pages of one content do not share, section by section."""
    ours, theirs = sections(one), sections(other)
    if [level for level, _ in ours] != [level for level, _ in theirs]:
        yield f"sections: {len(ours)} and {len(theirs)}, or other levels"
        return
    for number, ((_, first), (_, second)) in enumerate(zip(ours, theirs, strict=True), start=1):
        if code(first) != code(second):
            yield f"section {number}: other blocks of code"
        rest = BLOCK.sub("", first), BLOCK.sub("", second)
        for name, pattern in PARTS.items():
            texts = (first, second) if name == "number" else rest
            left, right = (Counter(row.count("|") if name == "row of a table" else row for row in pattern.findall(text))
                           for text in texts)  # fmt: skip
            if left != right:
                yield f"section {number}: {name}: {sorted(map(str, (left - right) + (right - left)))}"
