"""Frame: the special tokens around a text that a model reads, or around two.

A tokenizer.json may state them in its post-processor; stock tools follow it, and so does every path here that takes a
text (`frame_of`). Where it states none, nothing is added, as in stock, but for two kinds: stock classes with a frame
of their own, such as BERT's, and the tokenizers trained here. `stated` writes their frame down for stock tools.
Rows of pretraining do not ask here: their objective frames a document.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import tokenizers

from trivium.token.special import NAMED
from trivium.token.tokenizer import Tokenizer

GENERIC = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""The stock classes that add no special tokens but those of the tokenizer.json; a decoder's class adds none either."""


class Frame(NamedTuple):
    """The special ids before a text, after it, and between two; and the token type of the second text."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    between: tuple[int, ...] = ()
    second: int = 0

    def size(self, parts: int) -> int:
        """Return how many special ids stand around `parts` texts."""
        return len(self.before) + len(self.after) + (parts - 1) * len(self.between)

    def lay(self, parts: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """Return (ids [T], token types [T], the start of each part) of one text or two."""
        ids, types, starts = list(self.before), [0] * len(self.before), []
        for number, part in enumerate(parts):
            if number:  # the special ids between belong to the first text, as in BERT
                ids += self.between
                types += [0] * len(self.between)
            starts.append(len(ids))
            ids += part
            types += [self.second if number else 0] * len(part)
        ids += self.after
        types += [self.second if len(parts) > 1 else 0] * len(self.after)
        return np.array(ids, dtype=np.int64), np.array(types, dtype=np.int64), starts


@lru_cache(maxsize=8)
def read_frame(tokenizer: Tokenizer) -> Frame | None:
    """Return the frame that the post-processor of a tokenizer.json states, or None."""
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
    between = pair.ids[middle[0] + 1 : middle[1]]
    if not before and not after and not between:
        return None  # a post-processor that only corrects offsets
    return Frame(tuple(before), tuple(after), tuple(between), pair.type_ids[twos[-1]])


def frame_of(tokenizer: Tokenizer, family: str, pad_starts: bool = False, types: bool = False) -> Frame:
    """Return the frame of a text for a model of a family; the arguments are those of `default_frame`."""
    if (found := read_frame(tokenizer)) is not None:
        return found
    ours = all(name in tokenizer and tokenizer.id_of(name) == index for index, name in enumerate(NAMED))
    if ours or (family != "decoder" and tokenizer.config.get("tokenizer_class") not in GENERIC):
        return default_frame(tokenizer, family, pad_starts, types)
    return Frame()


def default_frame(tokenizer: Tokenizer, family: str, pad_starts: bool = False, types: bool = False) -> Frame:
    """Return the usual frame: BOS and EOS for an encoder; BOS for a decoder, whose last token reads all; EOS for T5."""
    bos, eos = ((one,) if one is not None else () for one in (tokenizer.vocabulary.bos, tokenizer.vocabulary.eos))
    if family == "decoder":
        return Frame(bos, (), eos)
    return Frame(() if family == "encoder_decoder" and pad_starts else bos, eos, eos, int(types))


def post_processor(frame: Frame, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the post-processor of a tokenizer.json that states this frame."""

    def tokens(ids: Sequence[int], kind: int = 0) -> list[dict[str, Any]]:
        return [{"SpecialToken": {"id": tokenizer.token(one), "type_id": kind}} for one in ids]

    first, second = ({"Sequence": {"id": name, "type_id": kind}} for name, kind in (("A", 0), ("B", frame.second)))
    begin = [*tokens(frame.before), first]
    used = {one: tokenizer.token(one) for one in sorted({*frame.before, *frame.after, *frame.between})}
    return {
        "type": "TemplateProcessing",
        "single": [*begin, *tokens(frame.after)],
        "pair": [*begin, *tokens(frame.between), second, *tokens(frame.after, frame.second)],
        "special_tokens": {name: {"id": name, "ids": [one], "tokens": [name]} for one, name in used.items()},
    }


def with_frame(tokenizer: Tokenizer, frame: Frame) -> Tokenizer:
    """Return the tokenizer with a post-processor that states the frame."""
    tree = {**json.loads(tokenizer.json), "post_processor": post_processor(frame, tokenizer)}
    config = dict(tokenizer.config)
    if frame.second:
        config["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    return tokenizer.replace(json.dumps(tree, ensure_ascii=False), config)


def stated(tokenizer: Tokenizer, frame: Frame) -> Tokenizer:
    """Return the tokenizer with a post-processor that states the frame, unless it states one or there is none."""
    return tokenizer if not frame.size(2) or read_frame(tokenizer) is not None else with_frame(tokenizer, frame)
