"""The tokenizer: text to ids and back, one class for the ones we train and the ones we are given.

A tokenizer is the text of a Hugging Face `tokenizer.json` plus the table that names its control tokens. Encoding
runs on `fastokens` where a self-check finds it equal to `tokenizers`, else on `tokenizers` itself.

`encode` yields content ids only. Control tokens are never recognised in text: `</s>` typed by a person is four
ordinary characters, and ids such as `<s>` are added as integers by whoever needs them. For the same reason the
tokenizers trained here have no post-processor: stock `AutoTokenizer(text)` gives exactly the content ids with
`add_special_tokens` on or off, so nobody ends up with two BOS.

Tokens that a foreign tokenizer adds without calling them special (runs of spaces, `<think>`) are vocabulary, not
control, and stay recognised as stock does, unless its configuration names them as bos, eos, pad, ...

It refuses to know about templates, rows, shards and models.
"""

import builtins
import codecs
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers

from trivium.base import files
from trivium.base.errors import DataError
from trivium.base.types import Vocabulary
from trivium.token.boundary import plain_pieces, sentence_ends, word_starts
from trivium.token.fast import encoders

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Where merges may not reach across: cl100k's pattern with numbers in groups of up to three digits."""

NAMED = ("<pad>", "<s>", "</s>", "<unk>", "<mask>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
SENTINELS, RESERVED, ROUND = 100, 16, 64

ROLES: Mapping[str, str] = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "mask_token": "<mask>",
}
"""What each role of a Hugging Face tokenizer_config.json is called in the tokenizers trained here."""

Pieces = list[bytes]

_USUAL = {
    "bos_token": ("<s>", "<bos>", "<|begin_of_text|>"),
    "eos_token": ("</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>"),
    "pad_token": ("<pad>", "[PAD]"),
    "unk_token": ("<unk>", "[UNK]"),
    "cls_token": ("[CLS]",),
    "sep_token": ("[SEP]",),
    "mask_token": ("<mask>", "[MASK]"),
}
"""Names that stand for a role when a tokenizer.json comes without its configuration."""


class Tokenizer:
    """Encode, decode, save and load. Immutable; pickles as its JSON."""

    def __init__(self, text: str, config: Mapping[str, Any] | None = None, chat_template: str | None = None) -> None:
        """Build from the text of a tokenizer.json and its tokenizer_config.json, as a table."""
        tree = json.loads(text)
        self.json, self.config, self.chat_template = text, dict(config or {}), chat_template
        added = {token["content"]: token for token in tree.get("added_tokens") or []}
        names = {role: _content(self.config.get(role)) for role in ROLES}
        if not any(names.values()):
            names = {role: next((name for name in usual if name in added), None) for role, usual in _USUAL.items()}
        # A role is control even where the file forgets to say so; truncation and padding are no part of a text's ids.
        for name in filter(None, names.values()):
            if name in added:
                added[name]["special"] = True
        tree.update(truncation=None, padding=None, post_processor=None)
        self._hf, self._fast = encoders(json.dumps(tree))
        self._ids: dict[str, int] = self._hf.get_vocab(with_added_tokens=True)
        self.size = max(self._ids.values()) + 1
        self.roles = {role: name for role, name in names.items() if name in self._ids}
        self.special = frozenset(
            [self._ids[name] for name, token in added.items() if token["special"]]
            + [self._ids[name] for name in self.roles.values()]
        )
        # The model itself may say that it knows no better; every other control id in content would be forged.
        model = tree["model"]
        unknown = {self._ids.get(name) for name in (self.roles.get("unk_token"), model.get("unk_token")) if name}
        self._forbidden = np.zeros(self.size, dtype=bool)
        self._forbidden[list(self.special - unknown - {model.get("unk_id")})] = True
        self._byte_level = (tree.get("decoder") or {}).get("type") == "ByteLevel"

    def __reduce__(self) -> tuple[Any, ...]:
        return Tokenizer, (self.json, self.config, self.chat_template)

    # Making one

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> "Tokenizer":
        """Train byte-level BPE of exactly `vocab_size` tokens, control tokens included (a multiple of 64).

        The same texts give the same merges, whatever the number of threads. Texts too small for the size are
        a DataError that names the largest size they allow.
        """
        smallest = _round(len(control()) + 256)
        if vocab_size % ROUND or vocab_size < smallest:
            raise DataError(f"vocab_size {vocab_size}: expected a multiple of {ROUND}, at least {smallest}")
        bpe = tokenizers.Tokenizer(models.BPE())
        bpe.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(tokenizers.Regex(SPLIT), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        bpe.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=2,
            show_progress=False,
            special_tokens=[AddedToken(name, special=True, normalized=False) for name in control()],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        bpe.train_from_iterator(map(scrub, texts), trainer)
        if (found := bpe.get_vocab_size()) != vocab_size:
            largest = found // ROUND * ROUND
            way = f"at most {largest} is possible" if largest >= smallest else "use the byte-level tokenizer"
            raise DataError(f"vocab_size {vocab_size}: the text is too small, it gives {found} tokens; {way}")
        return cls(bpe.to_str(), _config())

    @classmethod
    def bytes(cls) -> "Tokenizer":
        """The tokenizer without merges: one id per UTF-8 byte, and the same control tokens (384 in all)."""
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        names = control(RESERVED + _round(len(control()) + 256) - len(control()) - 256)
        tokens = {name: i for i, name in enumerate([*names, *alphabet])}
        bpe = tokenizers.Tokenizer(models.BPE(vocab=tokens, merges=[]))
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        bpe.decoder = decoders.ByteLevel()
        bpe.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
        return cls(bpe.to_str(), _config())

    @classmethod
    def load(cls, path: str | Path) -> "Tokenizer":
        """Read a Hugging Face tokenizer folder, or a tokenizer.json and what stands beside it."""
        path = Path(path)
        file = path / "tokenizer.json" if path.is_dir() else path
        tree, folder = files.read_json(file), file.parent
        if not isinstance(tree, dict) or "model" not in tree:
            raise DataError(f"{file}: not a tokenizer.json: expected an object with a 'model'")
        config: dict[str, Any] = {}
        for name in ("special_tokens_map.json", "tokenizer_config.json"):
            if (folder / name).is_file():
                table = files.read_json(folder / name)
                if not isinstance(table, dict):
                    raise DataError(f"{folder / name}: expected an object, found {type(table).__name__}")
                config.update({key: value for key, value in table.items() if value is not None or key not in config})
        template = config.pop("chat_template", None)
        if (folder / "chat_template.jinja").is_file():
            template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
        try:
            return cls(file.read_text(encoding="utf-8"), config, template if isinstance(template, str) else None)
        except Exception as broken:  # `tokenizers` raises bare Exception
            raise DataError(f"{file}: not a tokenizer that can be read: {broken}") from broken

    def save(self, folder: str | Path, chat_template: str | None = None, model_max_length: int | None = None) -> None:
        """Write the folder that stock `AutoTokenizer.from_pretrained` reads to the same ids."""
        folder = Path(folder)
        config = {**self.roles, **{key: value for key, value in self.config.items() if value is not None}}
        if model_max_length:
            config["model_max_length"] = model_max_length
        files.write_text(folder / "tokenizer.json", self.json)
        files.write_json(folder / "tokenizer_config.json", config)
        files.write_json(folder / "special_tokens_map.json", self.roles)
        if template := chat_template or self.chat_template:
            files.write_text(folder / "chat_template.jinja", template)

    # Using one

    def encode(self, text: str) -> list[int]:
        """Content ids of a text; nothing in it can become a control id, lone surrogates become U+FFFD."""
        text = scrub(text)
        ids = self._fast.encode(text).ids if self._fast else self._hf.encode(text, add_special_tokens=False).ids
        return ids if not self._forbidden[ids].any() else self._disarm(text)

    def encode_batch(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Content ids of many texts as (flat uint32 ids, uint64 offsets, one more than there are texts)."""
        texts = [scrub(text) for text in texts]
        if self._fast:
            raw, ends = self._fast.encode_batch_flat(texts)
            flat, offsets = np.frombuffer(raw, np.uint32), np.frombuffer(ends, np.uint64)
        else:
            flat, offsets = _join([e.ids for e in self._hf.encode_batch_fast(texts, add_special_tokens=False)])
        if self._forbidden[flat].any():
            flat, offsets = _join([self.encode(text) for text in texts])
        return flat, offsets

    def spans(self, text: str) -> list[tuple[int, tuple[int, int]]]:
        """Content ids of a text, each with where it begins and ends in it, in characters."""
        found = self._hf.encode(scrub(text), add_special_tokens=False)
        return [(i, span) for i, span in zip(found.ids, found.offsets, strict=True) if not self._forbidden[i]]

    def decode(self, ids: Sequence[int], skip_special: bool = False) -> str:
        """The text of ids; bytes that are no UTF-8 become U+FFFD."""
        return self._hf.decode(list(ids), skip_special_tokens=skip_special)

    def stream(self) -> "DecodeStream":
        """A decoder fed one id at a time, which never shows half a character."""
        return DecodeStream(self)

    def id_of(self, name: str) -> int:
        """The id of a token by its exact name, such as `<|user|>`."""
        if name not in self._ids:
            raise DataError(f"the tokenizer has no token {name!r} (it has {self.size} tokens)")
        return self._ids[name]

    def __contains__(self, name: str) -> bool:
        return name in self._ids

    def token(self, index: int) -> str:
        """What stands for an id in pictures: the text of its bytes, or the name of a control token."""
        return self.decode([index])

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What objectives may know. Without bos or eos, cls and sep stand in; without pad, eos does."""

        def role(*names: str) -> int | None:
            return next((self._ids[self.roles[name]] for name in names if name in self.roles), None)

        sentinels: list[int] = []
        while (name := f"<extra_id_{len(sentinels)}>") in self._ids:
            sentinels.append(self._ids[name])
        pieces = self.pieces if self._byte_level else plain_pieces(self._ids)
        return Vocabulary(
            size=self.size,
            pad=role("pad_token", "eos_token", "sep_token", "unk_token") or 0,
            bos=role("bos_token", "cls_token"),
            eos=role("eos_token", "sep_token"),
            mask=role("mask_token"),
            sentinels=tuple(sentinels),
            special=self.special,
            word_start=word_starts(pieces),
            sentence_end=sentence_ends(pieces),
        )

    @cached_property
    def identity(self) -> str:
        """sha256 of tokenizer.json but for what it puts around a text: what shards and models made with it remember."""
        tree = json.loads(self.json)
        if tree.get("post_processor") is None:
            return files.sha256(self.json)
        return files.sha256(tokenizers.Tokenizer.from_str(json.dumps({**tree, "post_processor": None})).to_str())

    @cached_property
    def pieces(self) -> "Pieces":
        """The bytes of every id of a byte-level tokenizer."""
        assert self._byte_level
        back = {char: byte for byte, char in _byte_alphabet().items()}
        table = [b""] * self.size
        for name, index in self._ids.items():
            known = all(char in back for char in name)
            table[index] = builtins.bytes(back[char] for char in name) if known else name.encode()
        return table

    def _disarm(self, text: str) -> list[int]:
        """Encode a text whose letters spell a control token that is also a piece of the vocabulary, in halves."""
        names = [name for name, index in self._ids.items() if self._forbidden[index] and len(name) > 1]
        between = "|".join(f"(?<={re.escape(name[0])})(?={re.escape(name[1:])})" for name in names)
        ids = [i for part in re.split(between, text) for i in self._hf.encode(part, add_special_tokens=False).ids]
        return [i for i in ids if not self._forbidden[i]]


class DecodeStream:
    """Ids in, text out, as soon as it is certain: all pieces joined are the decoding of all ids."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace") if tokenizer._byte_level else None
        self._held: list[int] = []
        self._shown = 0

    def push(self, index: int) -> str:
        """Take one id; return the text that it completes, often one word, sometimes nothing."""
        if self._utf8:
            return self._utf8.decode(self._tokenizer.pieces[index])
        self._held.append(index)
        text = self._tokenizer.decode(self._held)
        return "" if text.endswith("\ufffd") else self._show(text)

    def flush(self) -> str:
        """Return what is still held back: half a character, as U+FFFD."""
        if self._utf8:
            return self._utf8.decode(b"", final=True)
        return self._show(self._tokenizer.decode(self._held))

    def _show(self, text: str) -> str:
        new, self._shown = text[self._shown :], max(self._shown, len(text))
        return new


def control(reserved: int = RESERVED) -> list[str]:
    """The names of the control tokens in the order of their ids, which start at 0."""
    sentinels = [f"<extra_id_{i}>" for i in range(SENTINELS)]
    return [*NAMED, *sentinels, *(f"<|reserved_{i}|>" for i in range(reserved))]


def scrub(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 can hold, by U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **ROLES,
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
    }


def _content(value: Any) -> str | None:
    """The name of a token in either form that configurations use: a string, or a table with its content."""
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else None


def _round(size: int) -> int:
    return -(-size // ROUND) * ROUND


def _join(lists: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.zeros(len(lists) + 1, dtype=np.uint64)
    np.cumsum([len(ids) for ids in lists], out=offsets[1:])
    return np.fromiter((i for ids in lists for i in ids), np.uint32, int(offsets[-1])), offsets


def _byte_alphabet() -> dict[int, str]:
    """The printable character that byte-level vocabularies write for each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(rest)}
