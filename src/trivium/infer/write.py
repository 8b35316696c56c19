"""Generated ids become text as they come: whole characters, no special tokens, no part of a stop string."""

from collections.abc import Iterator, Sequence

from trivium.infer.generate import Generation
from trivium.token.tokenizer import Tokenizer


class TextStream:
    """A decoder that takes ids one by one and holds back text that may begin a stop string.

    All pieces together are the decoding of all ids, cut before the first stop string.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = ()) -> None:
        self._pieces, self._special = tokenizer.stream(), tokenizer.special
        self._stop = [text for text in stop if text]
        self._held = ""
        self.stopped = False
        """Whether a stop string has occurred."""

    def push(self, index: int) -> str:
        """Take one id; return the text that is now final."""
        return "" if index in self._special else self._show(self._pieces.push(index))

    def flush(self) -> str:
        """Return the text that is still held back, after the last id."""
        text = self._show(self._pieces.flush()) + self._held
        self._held = ""
        return text

    def _show(self, text: str) -> str:
        if self.stopped:
            return ""
        self._held += text
        if found := [at for stop in self._stop if (at := self._held.find(stop)) >= 0]:
            self.stopped = True
            text, self._held = self._held[: min(found)], ""
            return text
        held = max((overlap(self._held, stop) for stop in self._stop), default=0)
        cut = len(self._held) - held
        text, self._held = self._held[:cut], self._held[cut:]
        return text


def overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that begins `stop`."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)


def write(run: Generation, tokenizer: Tokenizer) -> Iterator[tuple[int, str]]:
    """Run a generation to its end; yield (row, piece of text) as they come. A stop string of the request ends a row.

    Where the caller stops to read, the rows leave the engine.
    """
    streams = [TextStream(tokenizer, run.request.stop_strings) for _ in run.ids]
    pushed = [0] * len(streams)
    try:
        while run.live:
            for row, index in run.step():
                if streams[row].stopped:  # what came in the same step behind a stop string
                    continue
                pushed[row] += 1
                if piece := streams[row].push(index):
                    yield row, piece
                if streams[row].stopped:
                    run.finish(row, "stop", pushed[row])
    finally:
        for row, reason in enumerate(run.reasons):
            if reason is None:
                run.finish(row, "cancelled")
    for row, text in enumerate(streams):
        if piece := text.flush():
            yield row, piece
