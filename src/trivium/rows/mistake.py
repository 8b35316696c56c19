"""What is wrong with a row, in one line: the key, what was expected and found, and what may mend it."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trivium.base.explain import worded
from trivium.rows import table


def hint(row: Mapping[str, Any], path: str | Path, first: bool, open_kind: bool) -> str:
    """Return what may mend a row that does not fit.

    `first` says that no row was read before and no column was chosen, `open_kind` that its keys decide its kind.
    """
    if first and table.suffix(Path(path)) in (".csv", ".tsv"):
        line = ", ".join(map(str, row))
        return f"; the first line ({line:.60}) may be no header: `--columns 1,2` takes columns by number"
    return preferred(row) if open_kind else ""


def reason(text: str) -> str:
    """Return an error of one row without what is special about the row."""
    if text.startswith("expected the keys") and (found := re.search(r"found (\{.*?\});", text)):
        return f"its keys {found[1]} do not fit"
    text = re.sub(r"^image .*?: (?=expected)", "image: ", text)
    text = re.sub(r"; (found|`--).*|, found .*", "", text)
    return re.sub(r"\[\d+\]", "[]", text)


def preferred(names: Iterable[str]) -> str:
    """Return a hint for rows that compare answers."""
    return "; rows of chosen and rejected answers are for the task prefer" if {"chosen", "rejected"} <= {*names} else ""


def explain(wrong: ValidationError, keys: Mapping[str, str]) -> str:
    """Return the first problem of a row, with the key as it stands in the file."""
    errors = wrong.errors(include_url=False)
    if not errors[0]["loc"]:  # keys that do not fit each other
        return worded(errors[0])
    first = max(errors, key=lambda error: len(error["loc"])) if len({e["loc"][:1] for e in errors}) == 1 else errors[0]
    # The location names the branches of a union; a person knows only keys and numbers.
    steps = [step for step in first["loc"] if isinstance(step, int) or step.isidentifier()]
    steps = [step for step in steps if step not in ("str", "int", "dict", "tuple", "constrained")]
    key = "".join(f"[{step}]" if isinstance(step, int) else f".{keys.get(step, step)}" for step in steps)[1:]
    message = worded(first)
    if len(first["loc"]) > 1 and len(errors) > 1 and not any(isinstance(step, int) for step in first["loc"]):
        message = "expected a text, or a list of them"
    return f"{key}: {message}, found {first['input']!r:.60}"
