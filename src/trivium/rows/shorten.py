"""Make a conversation fit into a row. An answer stays whole or is not trained: none is ever cut.

- `drop`: leave the conversation out.
- `truncate-context`: cut what is read but not trained. The longest run of it loses its middle, again and again, so
  that a question at the end of a context stays, and so does an instruction before its input.
- `truncate-left`: cut the oldest tokens, but not BOS, unless each turn has one. An answer that is cut is no longer
  trained.

This file knows ids and which of them are trained, but no texts.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from trivium.base.types import Segment

Policy = Literal["drop", "truncate-context", "truncate-left"]
KEPT = 8
"""The least tokens of a run that was cut."""


def shorten(segments: Sequence[Segment], length: int, policy: Policy, bos: int | None) -> list[Segment] | None:
    """Fit a conversation into `length` ids; return None if the policy would cut the last answer."""
    over = sum(len(segment.ids) for segment in segments) - length
    if over <= 0:
        return list(segments)
    match policy:
        case "drop":
            return None
        case "truncate-context":
            return _thinned(list(segments), over)
        case "truncate-left":
            return _tail(segments, length, bos)


def _thinned(segments: list[Segment], over: int) -> list[Segment] | None:
    """Cut the middle of the longest untrained runs until `over` ids are gone."""
    while over > 0:
        lengths = sorted({len(one.ids) for one in segments if not one.train and len(one.ids) > KEPT}, reverse=True)
        if not lengths:
            return None
        below = max([KEPT, *lengths[1:2]])  # down to the next longest, so that equal runs shrink together
        longest = next(i for i, one in enumerate(segments) if not one.train and len(one.ids) == lengths[0])
        gone = min(over, lengths[0] - below)
        ids = segments[longest].ids
        head = (len(ids) - gone + 1) // 2
        segments[longest] = replace(segments[longest], ids=(*ids[:head], *ids[head + gone :]))
        over -= gone
    return segments


def _tail(segments: Sequence[Segment], length: int, bos: int | None) -> list[Segment] | None:
    """Return the newest ids, after BOS if the conversation begins with it and no later turn does."""
    once = sum(segment.ids.count(bos) for segment in segments) == 1
    begin = [segments[0]] if once and segments[0].ids == (bos,) and not segments[0].train else []
    room = length - len(begin)
    kept: list[Segment] = []
    for segment in reversed(segments[len(begin) :]):
        if room <= 0:
            break
        cut = len(segment.ids) > room
        kept.insert(0, replace(segment, ids=segment.ids[-room:], train=segment.train and not cut))
        room -= len(segment.ids)
    # An answer may be several segments, the last is its end token: if one of them is cut, none is trained.
    rest = len(segments) - len(begin) - len(kept)
    first = segments[len(begin) + rest]
    inside = first.train and (len(kept[0].ids) < len(first.ids) or (rest > 0 and segments[len(begin) + rest - 1].train))
    for i, segment in enumerate(kept):
        if not (inside and segments[len(begin) + rest + i].train):
            break
        kept[i] = replace(segment, train=False)
    wanted = any(segment.train for segment in segments)
    return [*begin, *kept] if not wanted or any(segment.train for segment in kept) else None
