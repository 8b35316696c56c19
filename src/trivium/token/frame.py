"""Which control ids stand around a text, or around two, when a model reads them whole.

A tokenizer.json may say so itself (its post-processor); stock tools frame by it, so we do too. One that does not say
gets the usual frame of its model's family, and `processor` writes that down for stock tools.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import tokenizers

from trivium.token.tokenizer import Tokenizer


class Frame(NamedTuple):
    """Control ids: before a text, after it, and between two; and the token type of the second of two."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    between: tuple[int, ...] = ()
    second: int = 0

    def size(self, parts: int) -> int:
        """How many control ids stand around so many texts."""
        return len(self.before) + len(self.after) + (parts - 1) * len(self.between)

    def lay(self, parts: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """(ids, token types, where each part begins) of one text or two."""
        ids, types, starts = list(self.before), [0] * len(self.before), []
        for number, part in enumerate(parts):
            starts.append(len(ids) + (len(self.between) if number else 0))
            ids += [*(self.between if number else ()), *part]
            # What stands between belongs to the first, as in BERT.
            types += [*([0] * len(self.between) if number else ()), *[self.second if number else 0] * len(part)]
        ids += self.after
        types += [self.second if len(parts) > 1 else 0] * len(self.after)
        return np.array(ids, dtype=np.int64), np.array(types, dtype=np.int64), starts


@lru_cache(maxsize=8)
def said(tokenizer: Tokenizer) -> Frame | None:
    """The frame that a tokenizer.json describes, or None."""
    tree = json.loads(tokenizer.json)
    if not tree.get("post_processor"):
        return None
    stock = tokenizers.Tokenizer.from_str(json.dumps({**tree, "truncation": None, "padding": None}))
    stock.encode_special_tokens = True
    single, pair = stock.encode("a"), stock.encode("a", "a")
    ones = np.flatnonzero(np.array(single.special_tokens_mask) == 0)
    twos = np.flatnonzero(np.array(pair.special_tokens_mask) == 0)
    if not len(ones) or len(twos) != 2 * len(ones):
        return None
    middle = twos[len(ones) - 1 : len(ones) + 1]
    before, after = single.ids[: ones[0]], single.ids[ones[-1] + 1 :]
    if not before and not after and not pair.ids[middle[0] + 1 : middle[1]]:
        return None  # a post-processor that only mends offsets
    return Frame(tuple(before), tuple(after), tuple(pair.ids[middle[0] + 1 : middle[1]]), pair.type_ids[twos[-1]])


def usual(tokenizer: Tokenizer, family: str, pad_starts: bool = False, types: bool = False) -> Frame:
    """BOS to EOS for an encoder; BOS alone for a decoder, whose last token reads all; EOS alone for T5."""
    bos, eos = ((one,) if one is not None else () for one in (tokenizer.vocabulary.bos, tokenizer.vocabulary.eos))
    if family == "decoder":
        return Frame(bos, (), eos)
    return Frame(() if family == "encoder_decoder" and pad_starts else bos, eos, eos, int(types))


def processor(frame: Frame, tokenizer: Tokenizer) -> dict[str, Any]:
    """The post-processor of a tokenizer.json that says this frame."""

    def tokens(ids: Sequence[int], kind: int = 0) -> list[dict[str, Any]]:
        return [{"SpecialToken": {"id": tokenizer.token(one), "type_id": kind}} for one in ids]

    def text(name: str, kind: int) -> list[dict[str, Any]]:
        return [{"Sequence": {"id": name, "type_id": kind}}]

    both = [*tokens(frame.before), *text("A", 0), *tokens(frame.between), *text("B", frame.second)]
    used = {*frame.before, *frame.after, *frame.between}
    return {
        "type": "TemplateProcessing",
        "single": [*tokens(frame.before), *text("A", 0), *tokens(frame.after)],
        "pair": [*both, *tokens(frame.after, frame.second)],
        "special_tokens": {
            name: {"id": name, "ids": [one], "tokens": [name]}
            for one in sorted(used)
            for name in [tokenizer.token(one)]
        },
    }


def framed(tokenizer: Tokenizer, frame: Frame) -> Tokenizer:
    """The same tokenizer with its frame written down."""
    tree = {**json.loads(tokenizer.json), "post_processor": processor(frame, tokenizer)}
    config = dict(tokenizer.config)
    if frame.second:
        config["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    return Tokenizer(json.dumps(tree, ensure_ascii=False), config, tokenizer.chat_template)
