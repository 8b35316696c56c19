"""Prompt lookup: guess the next ids of a row from what stands behind the same ids earlier in its source and text.

Summaries, edits and code repeat what they have read. A pass that reads several guessed ids costs little more than one
that reads one, and its logits say at which place the model would have written another. So the ids are those without
guesses. Saxena 2023; speculative decoding: Leviathan et al. 2023 (arXiv:2211.17192). Knows ids only.
"""

from collections.abc import Sequence

SIZES = 3, 2
"""The lengths of the runs of ids that are looked up, first the longer one."""
LEAST, MOST = 4, 16
"""The ids of the first guess of a row, and of its longest."""
PAYS = 2
"""The ids of a guess that must be right: a pass of several ids takes up to 2.6 times as long as a pass of one."""
LONGEST_PAUSE = 64
"""The most steps without a guess."""


class Lookup:
    """The guesses of one row. Right ones make the next one longer, wrong ones make a pause, twice as long each time."""

    def __init__(self, ids: Sequence[int]) -> None:
        """`ids` are those before the first new one: the source of the row, then its prompt."""
        self.proposed = self.accepted = 0
        """The ids that were guessed in all, and how many of them were right."""
        self._ids: list[int] = []
        self._begin = len(ids)
        self._after: dict[tuple[int, ...], int] = {}
        self._length, self._pause, self._wait = LEAST, 1, 0
        self._add(ids)

    def _add(self, ids: Sequence[int]) -> None:
        for index in ids:
            at = len(self._ids)
            for size in SIZES:
                if at >= size:
                    self._after[tuple(self._ids[at - size :])] = at
            self._ids.append(index)

    def guess(self, new: Sequence[int], most: int) -> list[int]:
        """Return at most `most` ids that may come after all `new` ones; none while it pauses.

        A guess that reaches the end of the text goes on with itself, as a loop does.
        """
        if self._wait:
            self._wait -= 1
            return []
        self._add(new[len(self._ids) - self._begin :])
        for size in SIZES:
            if (at := self._after.get(tuple(self._ids[-size:]))) is not None:
                period = len(self._ids) - at
                return [self._ids[at + step % period] for step in range(min(self._length, most))]
        return []

    def judge(self, guessed: int, right: int) -> None:
        """Count how many ids of a guess were right, and learn from it."""
        self.proposed, self.accepted = self.proposed + guessed, self.accepted + right
        if right >= min(PAYS, guessed):
            self._pause = 1
            self._length = min(2 * self._length, MOST) if right == guessed else max(LEAST, right)
        else:
            self._wait, self._pause, self._length = self._pause, min(2 * self._pause, LONGEST_PAUSE), LEAST
