"""Tokenizers of the kinds that people have beside byte-level BPE, each small and trained for these tests."""

import json
from functools import lru_cache

import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors, trainers

from foreign import TEXT
from trivium.token.tokenizer import Tokenizer

CONTROL = ("<pad>", "<s>", "</s>", "<unk>", "<mask>", "<|im_start|>", "<|im_end|>", "[INST]", "[/INST]")
CONTROL += ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
SPACE = "\u2581"
EACH_TURN = """\
{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ bos_token + 'system
You are a helpful AI assistant' + eos_token + '
' }}{% endif %}{{ bos_token + message['role'] + '
' + message['content'] + eos_token + '
'}}{% endfor %}{% if add_generation_prompt %}{{ bos_token + 'assistant
' }}{% endif %}"""
"""BOS begins each turn, in the manner of SmolLM2-Instruct and MiniMind."""
WORDS = TEXT[: len(TEXT) // 10].replace("\n", " ")
"""No piece holds a line end and a letter, as in SentencePiece's vocabularies."""


def metaspace(scheme: str, split: bool = True) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme=scheme, split=split)


KINDS = {
    "llama2": (models.BPE, None, metaspace("first", split=False)),
    "legacy": (models.BPE, normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]), None),
    "t5": (models.Unigram, normalizers.Replace(tokenizers.Regex(" {2,}"), " "), metaspace("always")),
    "words": (models.Unigram, None, pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace("always")])),
    "never": (models.Unigram, None, metaspace("never")),
    "prefixed": (models.BPE, None, pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "bytes": (models.BPE, None, pre_tokenizers.ByteLevel(add_prefix_space=False)),
}
"""Model, normalizer and pre-tokenizer."""


@lru_cache
def pieces(kind: str, takes: str = "", frame: bool = False, template: str | None = None) -> Tokenizer:
    """A tokenizer of a kind. Its `<mask>` takes white space on the left; `takes` are the control tokens that take it on
    the right. With a `frame` its tokenizer.json states BOS and EOS around a text.
    """
    model, normalizer, before = KINDS[kind]
    byte_level = kind in ("bytes", "prefixed")
    made = tokenizers.Tokenizer(model() if byte_level or model is models.Unigram else model(unk_token="<unk>"))
    made.pre_tokenizer = before if before is not None else pre_tokenizers.Metaspace(SPACE, prepend_scheme="first")
    made.normalizer = normalizer if before is not None else None
    names = [
        AddedToken(one, special=True, normalized=False, lstrip=one == "<mask>", rstrip=one in takes.split())
        for one in CONTROL
    ]
    alphabet = pre_tokenizers.ByteLevel.alphabet() if byte_level else [SPACE, *sorted({*TEXT} - {" "})]
    options = {"vocab_size": 420, "show_progress": False, "special_tokens": names, "initial_alphabet": alphabet}
    if model is models.Unigram:
        made.train_from_iterator([WORDS], trainers.UnigramTrainer(**options, unk_token="<unk>"))
    else:
        made.train_from_iterator([WORDS], trainers.BpeTrainer(**options))
    made.normalizer = normalizer
    if before is None:
        tree = json.loads(made.to_str())
        made = tokenizers.Tokenizer.from_str(json.dumps({**tree, "pre_tokenizer": None}))
    made.decoder = decoders.ByteLevel() if byte_level else decoders.Metaspace(SPACE, prepend_scheme="always")
    if frame:
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
        )
    roles = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **roles, "clean_up_tokenization_spaces": False}
    return Tokenizer(made.to_str(), config, template)
