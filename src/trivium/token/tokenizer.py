"""The tokenizer: text to ids and back, one class for the tokenizers trained here and for foreign ones.

A tokenizer is the text of a Hugging Face `tokenizer.json` plus the table that names its special tokens. `fastokens`
encodes where a self-check finds it equal to `tokenizers`; else `tokenizers` does.

`encode` yields content ids only. It never recognises special tokens in text: `</s>` typed by a person is four ordinary
characters. Callers add ids such as `<s>` as integers. For the same reason the tokenizers trained here have no
post-processor: stock `AutoTokenizer(text)` gives exactly the content ids with `add_special_tokens` on or off.

A token that a foreign tokenizer adds without calling it special (runs of spaces, `<think>`) is vocabulary. It stays
recognised, as in the stock tokenizer, unless the configuration names it as bos, eos, pad, ...
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from trivium.base import files
from trivium.base.errors import DataError
from trivium.base.folder import hint, model_folder
from trivium.base.types import Vocabulary
from trivium.token import bpe
from trivium.token.boundary import Piece, Pieces, byte_pieces, plain_pieces, sentence_ends, word_starts
from trivium.token.fast import Encoders, bounded, encoders
from trivium.token.folder import DEFAULT, read_config, read_templates, write_templates
from trivium.token.section import Place, placed, taken
from trivium.token.special import CONFIG, roles_of
from trivium.token.stream import DecodeStream

UNBOUNDED = 1 << 40
"""A `model_max_length` of so many tokens is none: stock tools write 1e30."""


class Tokenizer:
    """Encode, decode, save and load. Immutable; pickles as its JSON."""

    def __init__(
        self,
        text: str,
        config: Mapping[str, Any] | None = None,
        chat_template: str | None = None,
        chat_templates: Mapping[str, str] | None = None,
    ) -> None:
        """Build from the text of a tokenizer.json and the table of its tokenizer_config.json.

        `chat_template` is the template that is used; `chat_templates` are others, by name.
        """
        tree = json.loads(text)
        self.json, self.config, self.chat_template = text, dict(config or {}), chat_template
        self.chat_templates = dict(chat_templates or {})
        added = {token["content"]: token for token in tree.get("added_tokens") or []}
        names = roles_of(self.config, added)
        # A token with a role is special even if the file does not say so. Ids of a text know no truncation or padding.
        for name in added.keys() & names.values():
            added[name]["special"] = True
        tree.update(truncation=None, padding=None, post_processor=None)
        self._text = json.dumps(tree)
        self._hf, self._fast = encoders(self._text)
        self._places: dict[Place, Encoders] = {"start": (self._hf, self._fast)}
        self._ids: dict[str, int] = self._hf.get_vocab(with_added_tokens=True)
        self.size = max(self._ids.values()) + 1
        self.roles = {role: name for role, name in names.items() if name in self._ids}
        special = [*self.roles.values(), *(name for name, token in added.items() if token["special"])]
        self.special = frozenset(self._ids[name] for name in special)
        # The unknown token may come out of any text; every other special id in content would be forged.
        model = tree["model"]
        unknown = {self._ids.get(name) for name in (self.roles.get("unk_token"), model.get("unk_token")) if name}
        self._forbidden = np.zeros(self.size, dtype=bool)
        self._forbidden[list(self.special - unknown - {model.get("unk_id")})] = True
        self._byte_level = (tree.get("decoder") or {}).get("type") == "ByteLevel"
        self._sides = {self._ids[name]: (token["lstrip"], token["rstrip"]) for name, token in added.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return Tokenizer, (self.json, self.config, self.chat_template, self.chat_templates)

    def replace(
        self, text: str | None = None, config: Mapping[str, Any] | None = None, chat_template: str | None = None
    ) -> "Tokenizer":
        """Return the tokenizer with another tokenizer.json, configuration or template; None keeps its own."""
        template = self.chat_template if chat_template is None else chat_template
        return Tokenizer(text or self.json, self.config if config is None else config, template, self.chat_templates)

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int | None = None, counts: Counter[str] | None = None
    ) -> "Tokenizer":
        """Train byte-level BPE of exactly `vocab_size` tokens, or what the text gives: see `bpe.train`."""
        return cls(bpe.train(map(scrub, texts), vocab_size, counts), CONFIG)

    @classmethod
    def bytes(cls) -> "Tokenizer":
        """Return the tokenizer without merges: one id per UTF-8 byte, and the same special tokens (384 in all)."""
        return cls(bpe.byte_level(), CONFIG)

    @classmethod
    def load(cls, path: str | Path) -> "Tokenizer":
        """Read a tokenizer folder, a tokenizer.json and the files beside it, or those of `hf:OWNER/NAME`.

        Raise DataError for files that are no tokenizer, and ModelError where the hub gives none.
        """
        name, path = path, model_folder(path, weights=False)
        if not path.exists():
            raise DataError(f"{path}: no such tokenizer{hint(name)}")
        file = path / "tokenizer.json" if path.is_dir() else path
        tree, folder = files.read_json(file), file.parent
        if not isinstance(tree, dict) or "model" not in tree:
            raise DataError(f"{file}: not a tokenizer.json: expected an object with a 'model'")
        config = read_config(folder)
        named = read_templates(config.pop("chat_template", None), folder)
        try:
            with bounded():
                return cls(file.read_text(encoding="utf-8"), config, named.pop(DEFAULT, None), named)
        except Exception as broken:  # `tokenizers` raises bare Exception
            raise DataError(f"{file}: cannot be read as a tokenizer: {broken}") from broken

    def save(self, folder: str | Path, chat_template: str | None = None, model_max_length: int | None = None) -> None:
        """Write the folder that stock `AutoTokenizer.from_pretrained` reads to the same ids."""
        folder = Path(folder)
        config = {**self.roles, **{key: value for key, value in self.config.items() if value is not None}}
        if model_max_length:
            config["model_max_length"] = model_max_length
        files.write_text(folder / "tokenizer.json", self.json)
        files.write_json(folder / "tokenizer_config.json", config)
        files.write_json(folder / "special_tokens_map.json", self.roles)
        write_templates(chat_template or self.chat_template, self.chat_templates, folder)

    @property
    def limit(self) -> int | None:
        """The most tokens of a text, special tokens included, that tokenizer_config.json tells; None is any number."""
        found = self.config.get("model_max_length")
        return int(found) if isinstance(found, int | float) and 0 < found < UNBOUNDED else None

    def encode(self, text: str, place: Place = "start") -> list[int]:
        """Return the content ids of a text. No text gives a special id; lone surrogates become U+FFFD.

        `place` is where the text stands in the string that it belongs to.
        """
        text = scrub(text)
        hf, fast = self._at(place)
        with bounded():
            ids = fast.encode(text).ids if fast else hf.encode(text, add_special_tokens=False).ids
        return ids if not self._forbidden[ids].any() else self._disarm(text, place)

    def join(self, parts: Sequence[str | int]) -> list[list[int]]:
        """Return the ids of each part of a string, which is a text or a special id, as stock tools encode the string.

        A text behind another text has the ids that it adds, if those before it stay the same; else it is encoded alone.
        """
        found: list[list[int]] = []
        place: Place = "start"
        run, read = "", list[int]()
        for part in taken(parts, self._sides):
            if isinstance(part, int):
                found.append([part])
                place, run, read = "section", "", []
                continue
            ids = self.encode(run + part, place)
            if read and part:
                ids = ids[len(read) :] if ids[: len(read)] == read else self.encode(part, "inside")
            found.append(ids if part else [])
            run, read = run + part, read + found[-1]
        return found

    def encode_batch(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the content ids of N texts as (flat uint32 ids, uint64 offsets [N + 1])."""
        texts = [scrub(text) for text in texts]
        with bounded():
            if self._fast:
                raw, ends = self._fast.encode_batch_flat(texts)
                flat, offsets = np.frombuffer(raw, np.uint32), np.frombuffer(ends, np.uint64)
            else:
                flat, offsets = _join([e.ids for e in self._hf.encode_batch_fast(texts, add_special_tokens=False)])
        if self._forbidden[flat].any():
            flat, offsets = _join([self.encode(text) for text in texts])
        return flat, offsets

    def spans(self, text: str) -> list[tuple[int, tuple[int, int]]]:
        """Return each content id of a text with its (start, end) in the text, in characters."""
        with bounded():
            found = self._hf.encode(scrub(text), add_special_tokens=False)
        return [(i, span) for i, span in zip(found.ids, found.offsets, strict=True) if not self._forbidden[i]]

    def decode(self, ids: Sequence[int], skip_special: bool = False) -> str:
        """Return the text of ids; bytes that are not UTF-8 become U+FFFD."""
        return self._hf.decode(list(ids), skip_special_tokens=skip_special)

    def stream(self) -> DecodeStream:
        """Return a decoder that takes one id at a time and never shows half a character."""
        return DecodeStream(self.decode, self.pieces if self._byte_level else None)

    def id_of(self, name: str) -> int:
        """Return the id of a token by its exact name, such as `<|user|>`; an unknown name is a DataError."""
        if name not in self._ids:
            raise DataError(f"the tokenizer has no token {name!r} (it has {self.size} tokens)")
        return self._ids[name]

    def __contains__(self, name: str) -> bool:
        return name in self._ids

    def token(self, index: int) -> str:
        """Return the text of one id, or the name of a special token."""
        return self.decode([index])

    def name(self, index: int) -> str:
        """Return how tokenizer.json calls an id; nothing for an id that it has not."""
        return self._hf.id_to_token(index) or ""

    def raw(self, index: int) -> Piece:
        """Return the UTF-8 bytes that one id stands for inside a text, or those of the name of a special token."""
        if self._byte_level and index not in self.special:
            return self.pieces[index]
        name = self.name(index)
        if byte := re.fullmatch("<0x([0-9A-F]{2})>", name):
            return bytes.fromhex(byte[1])
        return (name.replace("\u2581", " ") if "\u2581" in name else self.token(index)).encode()

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The facts that objectives need. Without bos or eos, cls and sep stand in; without pad, eos does."""

        def role(*names: str) -> int | None:
            return next((self._ids[self.roles[name]] for name in names if name in self.roles), None)

        sentinels: list[int] = []
        while (name := f"<extra_id_{len(sentinels)}>") in self._ids:
            sentinels.append(self._ids[name])
        return Vocabulary(
            size=self.size,
            pad=role("pad_token", "eos_token", "sep_token", "unk_token") or 0,
            bos=role("bos_token", "cls_token"),
            eos=role("eos_token", "sep_token"),
            mask=role("mask_token"),
            sentinels=tuple(sentinels),
            special=self.special,
            word_start=word_starts(self.pieces),
            sentence_end=sentence_ends(self.pieces),
        )

    @cached_property
    def identity(self) -> str:
        """sha256 of the tokenizer.json without its post-processor: shards and models name their tokenizer by it."""
        tree = json.loads(self.json)
        if tree.get("post_processor") is None:
            return files.sha256(self.json)
        return files.sha256(tokenizers.Tokenizer.from_str(json.dumps({**tree, "post_processor": None})).to_str())

    @cached_property
    def pieces(self) -> Pieces:
        """The bytes of every id."""
        return byte_pieces(self._ids) if self._byte_level else plain_pieces(self._ids)

    def _at(self, place: Place) -> Encoders:
        """Return the encoders of texts that stand at a place."""
        if place not in self._places:
            tree = json.loads(self._text)
            other = placed(tree, place)
            self._places[place] = (self._hf, self._fast) if other == tree else encoders(json.dumps(other))
        return self._places[place]

    def _disarm(self, text: str, place: Place) -> list[int]:
        """Encode a text that spells a special token whose name is also a piece of the vocabulary: cut that name."""
        names = [name for name, index in self._ids.items() if self._forbidden[index] and len(name) > 1]
        between = "|".join(f"(?<={re.escape(name[0])})(?={re.escape(name[1:])})" for name in names)
        ids: list[int] = []
        for part in re.split(between, text):
            ids += self._at(place)[0].encode(part, add_special_tokens=False).ids
            place = "inside"
        return [i for i in ids if not self._forbidden[i]]


def scrub(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot hold, by U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _join(lists: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.zeros(len(lists) + 1, dtype=np.uint64)
    np.cumsum([len(ids) for ids in lists], out=offsets[1:])
    return np.fromiter((i for ids in lists for i in ids), np.uint32, int(offsets[-1])), offsets
