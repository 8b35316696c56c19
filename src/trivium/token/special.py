"""Special tokens: the table of the tokenizers trained here, and the roles (bos, eos, ...) of any tokenizer.

Knows names only. Ids, vocabularies and encoding belong to `tokenizer`.
"""

from collections.abc import Container, Mapping
from typing import Any

NAMED = ("<pad>", "<s>", "</s>", "<unk>", "<mask>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
SENTINELS, RESERVED = 100, 16

ROLES: Mapping[str, str] = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "mask_token": "<mask>",
}
"""The roles of a tokenizer_config.json, and the token of each role in the tokenizers trained here."""

_USUAL = {
    "bos_token": ("<s>", "<bos>", "<|begin_of_text|>"),
    "eos_token": ("</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>"),
    "pad_token": ("<pad>", "[PAD]"),
    "unk_token": ("<unk>", "[UNK]"),
    "cls_token": ("[CLS]",),
    "sep_token": ("[SEP]",),
    "mask_token": ("<mask>", "[MASK]"),
}
"""The usual names of each role, for a tokenizer.json that comes without its configuration."""

CONFIG: Mapping[str, Any] = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    **ROLES,
    "add_bos_token": False,
    "add_eos_token": False,
    "clean_up_tokenization_spaces": False,
}
"""The tokenizer_config.json of the tokenizers trained here."""


def special_names(reserved: int = RESERVED) -> list[str]:
    """Return the names of the special tokens in the order of their ids, from id 0."""
    sentinels = (f"<extra_id_{i}>" for i in range(SENTINELS))
    return [*NAMED, *sentinels, *(f"<|reserved_{i}|>" for i in range(reserved))]


def roles_of(config: Mapping[str, Any], added: Container[str]) -> dict[str, str]:
    """Return the token of each role from a tokenizer_config.json; without any there, the usual names among `added`."""

    def name(value: Any) -> Any:  # configurations write a token as a string, or as a table with its content
        return value.get("content") if isinstance(value, dict) else value

    found = {role: name(config.get(role)) for role in ROLES}
    if not any(isinstance(one, str) for one in found.values()):
        found = {role: next((one for one in usual if one in added), None) for role, usual in _USUAL.items()}
    return {role: one for role, one in found.items() if isinstance(one, str)}
