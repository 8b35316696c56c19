"""The format of the files that we write: one number for trivium.json, recipe.json and every manifest.

What an older version wrote is read as it was meant: renamed fields by `Config.renamed`, changed kinds by
`Choice.modern`. What a later version wrote is refused, because it may mean something else.

1  the first
2  `sinusoid` is the table of the paper; in format 1 it was M2M100's unless `paper` was true. A text gets the special
   tokens that its tokenizer.json states; in format 1 one that states none got BOS, and EOS where an encoder reads it
"""

from pathlib import Path
from typing import Any

from trivium.base.errors import TriviumError

FORMAT = 2


def readable(tree: dict[str, Any], file: Path, error: type[TriviumError]) -> None:
    """Raise `error` where a file's `format` is none of ours."""
    found = tree.get("format")
    if type(found) is not int or not 1 <= found <= FORMAT:
        later = "a later version wrote it: update trivium" if type(found) is int and found > FORMAT else "it is damaged"
        raise error(f"{file}: format: expected a number from 1 to {FORMAT}, found {found!r}; {later}")
