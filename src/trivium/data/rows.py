"""Rows of Examples by index: from the shards of a corpus, or from rendered examples.

All have the interface `Rows`: the number of rows of an epoch, and the examples of one row as a pure function of
(seed, epoch, index).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from trivium.base.errors import DataError
from trivium.base.seeds import generator, late
from trivium.base.types import Example, Vocabulary
from trivium.data.pack import PLANNERS, RowPlan, best_fit
from trivium.data.shards import Corpus
from trivium.objective.objective import Objective

MULTIPLE = 64
"""The length of a row that holds all examples is a multiple of this."""

Packing = Literal["bestfit", "concat", "pad"]
Tail = Literal["pad", "drop"]


@dataclass(frozen=True)
class LateExample:
    """An example that is made when its row is, because what it holds is too large to be kept, such as a picture."""

    size: int
    """The tokens that it takes in a row."""
    make: Callable[[np.random.Generator], Example]
    """Makes it, with the random numbers of its epoch."""
    where: str = ""
    """The file and the row that it is made of; none where it is drawn, and cannot be broken."""
    file: Path | None = None
    """The file that the row names."""

    def made(self, rng: np.random.Generator) -> Example:
        """Return the example; a DataError says that its file has changed since its size was read."""
        found = self.make(rng)
        if (size := _size(found)) != self.size:
            raise DataError(f"{self.where}: changed since it was read: expected {self.size} tokens, found {size}")
        return found


class Rows(Protocol):
    """The interface that a loader reads."""

    @property
    def length(self) -> int | None:
        """The width of a row in tokens; None is the width of the longest row in its batch."""
        ...

    def size(self, epoch: int) -> int:
        """Return the number of rows of an epoch."""
        ...

    def row(self, epoch: int, index: int) -> list[Example]:
        """Return the examples that share a row."""
        ...

    def origins(self, epoch: int, index: int) -> list[str]:
        """Return where each example of a row is from, in words."""
        ...


class DocumentRows:
    """Rows of running text: pieces of documents by a plan that is made once.

    `isolate=False` is the form of GPT-2: a row is one run of text, EOS predicts the next BOS, and attention crosses
    documents; it needs the `concat` plan. So does `tail="drop"`, which leaves out a last row that is not full;
    `dropped` is the number of its tokens. Raises DataError for other combinations, and for a corpus without a row.
    """

    def __init__(
        self,
        corpus: Corpus,
        objective: Objective,
        vocabulary: Vocabulary,
        length: int,
        seed: int = 0,
        packing: Packing = "bestfit",
        isolate: bool = True,
        tail: Tail = "pad",
    ) -> None:
        if packing not in PLANNERS or ((not isolate or tail == "drop") and packing != "concat"):
            raise DataError(
                f"packing {packing!r} with isolate={isolate} and tail {tail!r} cannot be: documents are "
                "packed by bestfit or concat, and only concat can cross them or has a tail"
            )
        self.corpus, self.objective, self.vocabulary = corpus, objective, vocabulary
        self.length, self.seed, self.isolate = length, seed, isolate
        self.before, self.after = (np.array(ids, dtype=np.int64) for ids in objective.frame(vocabulary))
        self.lengths = np.where(corpus.lengths > 0, corpus.lengths + len(self.before) + len(self.after), 0)
        plan: RowPlan = PLANNERS[packing](self.lengths, objective.room(length))
        self.plan = plan.whole() if tail == "drop" else plan
        self.dropped = plan.tokens - self.plan.tokens
        if not len(self.plan):
            raise DataError(
                f"{corpus.folder}: no {corpus.split} tokens: expected at least one document"
                + (f" and one full row of {length}" if self.dropped else "")
                + ("; prepare it again with a larger --valid-share" if corpus.split == "valid" else "")
            )

    def size(self, epoch: int) -> int:
        return len(self.plan)

    def row(self, epoch: int, index: int) -> list[Example]:
        rng = late(self.seed, epoch, index)
        first, last = self.plan.rows[index : index + 2].tolist()
        pieces = self._pieces(first, last)
        if not self.isolate:
            following = pieces[-1][1]
            if following is None and last < len(self.plan.document):
                following = int(self._pieces(last, last + 1)[0][0][0])
            pieces = [(np.concatenate([ids for ids, _ in pieces]), following)]
        return [self.objective.piece(ids, following, self.vocabulary, rng) for ids, following in pieces]

    def origins(self, epoch: int, index: int) -> list[str]:
        first, last = self.plan.rows[index : index + 2].tolist()
        found = []
        for document, start, _ in self.plan.pieces(first, last):
            source, name = self.corpus.address(document)
            found.append(f"{source}, document {name}" + f", from token {start:,}" * (start > 0))
        return found if self.isolate else ["; ".join(found)]

    def _pieces(self, first: int, last: int) -> list[tuple[np.ndarray, int | None]]:
        """Return the framed ids of each piece [first, last), and the id that follows it in its document."""
        places = [*self.plan.pieces(first, last)]
        # A row is copied and checked at once, because pieces are many and short.
        parts = [part for document, start, count in places for part in self._parts(document, start, start + count + 1)]
        ids = self.corpus.checked(np.concatenate(parts), self.plan.document[first:last])
        pieces: list[tuple[np.ndarray, int | None]] = []
        begin = 0
        for document, start, count in places:
            end = begin + count
            more = start + count < self.lengths.item(document)
            pieces.append((ids[begin:end], ids.item(end) if more else None))
            begin = end + more
        return pieces

    def framed(self, document: int, start: int, stop: int) -> np.ndarray:
        """Return ids [start, stop) of a document together with its frame."""
        return self.corpus.checked(np.concatenate(self._parts(document, start, stop)), [document])

    def _parts(self, document: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the parts of the span [start, stop) that lie before, in and after a document."""
        left = len(self.before)
        right = left + self.corpus.lengths.item(document)
        middle = self.corpus.view(document, max(0, start - left), max(0, stop - left))
        return self.before[start:stop], middle, self.after[max(0, start - right) : max(0, stop - right)]


def no_rows(dropped: Counter[str] | None = None) -> DataError:
    """Return the error of files without a row to train on, with the reasons for which rows were dropped."""
    reasons = "; ".join(f"{count:,} {reason}" for reason, count in (dropped or {}).items())
    return DataError(
        f"no rows to train on: {f'every one was dropped ({reasons})' if reasons else 'the files have none'}"
    )


class ExampleRows:
    """Rows of rendered examples, or of late ones. `choices[n]` are the alternatives of item n, one drawn an epoch.

    Packing `pad` puts each example into a row of its own; `bestfit` joins the examples of an epoch, isolated. A row is
    no longer than all examples together.
    """

    def __init__(
        self,
        choices: Sequence[Sequence[Example | LateExample]],
        length: int,
        seed: int = 0,
        packing: Packing = "bestfit",
    ) -> None:
        if not choices:
            raise no_rows()
        if packing == "concat":
            raise DataError("packing 'concat' would cut examples; expected bestfit or pad")
        longest = max(_size(example) for options in choices for example in options)
        assert longest <= length, f"an example of {longest} tokens does not fit rows of {length}"
        self.choices, self.seed, self.packed = choices, seed, packing == "bestfit"
        self.late = any(isinstance(example, LateExample) for options in choices for example in options)
        whole = sum(max(map(_size, options)) for options in choices)
        self._room = min(length, -(-whole // MULTIPLE) * MULTIPLE)
        self.length = self._room if self.packed else None
        self._plan = lru_cache(maxsize=2)(self._make_plan)

    def _make_plan(self, epoch: int) -> tuple[list[Example | LateExample], RowPlan]:
        draws = generator(self.seed, epoch).random(len(self.choices))
        examples = [options[int(draw * len(options))] for options, draw in zip(self.choices, draws, strict=True)]
        return examples, best_fit(np.array([_size(example) for example in examples]), self._room)

    def size(self, epoch: int) -> int:
        return len(self._plan(epoch)[1]) if self.packed else len(self.choices)

    def row(self, epoch: int, index: int) -> list[Example]:
        examples, plan = self._plan(epoch)
        return [self._made(examples[item], epoch, item) for item in self._items(plan, index)]

    def origins(self, epoch: int, index: int) -> list[str]:
        examples, plan = self._plan(epoch)
        named = ((item, getattr(examples[item], "where", "")) for item in self._items(plan, index))
        return [where or f"example {item + 1:,} of those kept" for item, where in named]

    def _items(self, plan: RowPlan, index: int) -> list[int]:
        """Return the numbers of the examples of a row."""
        return plan.document[plan.rows[index] : plan.rows[index + 1]].tolist() if self.packed else [index]

    def _made(self, example: Example | LateExample, epoch: int, item: int) -> Example:
        return example.made(late(self.seed, epoch, item)) if isinstance(example, LateExample) else example


class GroupRows:
    """Rows of examples that must stay together; each group is a row of its own."""

    length: int | None = None

    def __init__(self, groups: Sequence[Sequence[Example]]) -> None:
        if not groups:
            raise no_rows()
        self.groups = groups

    def size(self, epoch: int) -> int:
        return len(self.groups)

    def row(self, epoch: int, index: int) -> list[Example]:
        return list(self.groups[index])

    def origins(self, epoch: int, index: int) -> list[str]:
        return [f"example {at + 1:,} of group {index + 1:,}" for at in range(len(self.groups[index]))]


def _size(example: Example | LateExample) -> int:
    """Return the tokens that an example takes in a row: those of its longer side."""
    if isinstance(example, LateExample):
        return example.size
    return max(len(side) for side in (example.enc, example.dec) if side is not None)
