"""The tokenizer of a page gives Python's ids and texts, on hostile texts too; another kind is refused by name."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, trainers

import pieces
import shown
import trivium
from trivium.base.errors import ModelError
from trivium.interop.gguf import CL100K
from trivium.interop.page.tokenizer import describe, translate
from trivium.token.bpe import SPLIT
from trivium.token.layout import gapped
from trivium.token.tokenizer import Tokenizer

SAID = (
    "the user says what abs does and returns absolute values of numbers 中文 测试 naïve café für it's 😀 they'll IT'S"
)
READ = """texts.map((text) => {
  const ids = tokens.encode(text);
  return [ids, tokens.decode(ids), plan.tokenizer.mask ? tokens.gapped(text) : []];
})"""
PLAIN = [
    *("", " ", "  ", "\n", "\n\n a", "a\r\n\r\n b\t\tc  ", "it's IT'S WE'LL they've 'S 't", "it'ſ we'LL", "don\u2019t"),
    *("1234567 12.5e-3", "x1y22z333", "½ ² Ⅻ 一二三 ١٢٣", "   leading", "trailing   ", "x" * 300, "ab" * 200),
    *("tab\tand\u00a0nbsp", "\u2028line\u2029para", "\x00\x01\x1b[0m\x7f", "\u0085\ufeffbom\u200b\u200d", "\ufeff"),
    *("中文，测试。", "日本語のテキスト", "한국어", "हिन्दी ॐ", "עברית", "e\u0301 é", "👩‍👩‍👧😀", "𝒳𝓎 🏳️‍🌈"),
    *(
        "<s></s><mask>",
        "<|user|>",
        "[MASK] a <mask>b",
        "a [MASK]",
        "\ud800 lone \udfff",
        "</script><b>&amp;",
        "${1} {{a}} $& $1",
    ),
    *("<think>x</think>", "<think", "<<think>>", "a<think>\u0338b", "Ġ Ċ Ā", "\ufffd", "ß ẞ ǅ İı K Å"),
]


def texts() -> list[str]:
    """Hostile texts, and drawn ones of many scripts."""
    draw = random.Random(3)
    alphabet = "abc XYZ'st12345\r\n\t .,-_é\u0301ñß中文、。😀👩‍👧\u00a0\u200b\ufeffקขעשDŽ½<>|\u0338\x00\x85"
    return PLAIN + ["".join(draw.choices(alphabet, k=draw.randrange(1, 40))) for _ in range(150)]


def trained(before: Any, normalizer: Any = None, added: tuple[AddedToken, ...] = ()) -> Tokenizer:
    """A byte-level BPE of another split."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder, made.normalizer = before, decoders.ByteLevel(), normalizer
    special = [AddedToken(name, special=True, normalized=False) for name in ("<pad>", "<s>", "</s>")]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=420, show_progress=False, special_tokens=special, initial_alphabet=alphabet
    )
    made.train_from_iterator([SAID] * 9, trainer)
    made.add_tokens([*added])
    return Tokenizer(made.to_str(), {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"})


def split(pattern: str) -> Any:
    one = pre_tokenizers.Split(tokenizers.Regex(pattern), behavior="isolated")
    return pre_tokenizers.Sequence([one, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def whole() -> Tokenizer:
    """A tokenizer that takes whole words before merges, as LLaMA 3's does."""
    made = trained(split(CL100K))
    tree = json.loads(made.json)
    tree["model"]["ignore_merges"] = True
    return made.replace(json.dumps(tree))


BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False)
THINK = AddedToken("<think>", special=False, normalized=False), AddedToken("</think>", special=False, normalized=True)
KINDS: dict[str, Callable[[], Tokenizer]] = {
    "ours": lambda: Tokenizer.train([SAID] * 50, 448),
    "bytes": Tokenizer.bytes,
    "gpt2": lambda: trained(BYTE_LEVEL),
    "cl100k": lambda: trained(split(CL100K)),
    "llama3": whole,
    "digits": lambda: trained(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BYTE_LEVEL])),
    "qwen": lambda: trained(split(SPLIT), normalizers.NFC(), THINK),
    "roberta": lambda: pieces.pieces("bytes"),
}


@pytest.mark.parametrize(
    "kind", [one if one in ("ours", "qwen") else pytest.param(one, marks=pytest.mark.slow) for one in KINDS]
)
def test_a_page_encodes_and_decodes_as_python_does(kind: str, tmp_path: Path) -> None:
    tokenizer = KINDS[kind]()
    built = trivium.build("llama", vocab_size=tokenizer.size, layers=1, hidden_size=8, heads=1, context=64)
    file = shown.exported(trivium.Model(built.transformer, tokenizer), tmp_path / "a.html")
    mask = tokenizer.vocabulary.mask
    for text, (ids, back, gaps) in zip(texts(), shown.node(file, READ, texts=texts()), strict=True):
        assert ids == tokenizer.encode(text), repr(text)
        assert back == tokenizer.decode(ids), repr(text)
        assert gaps == ([] if mask is None else gapped(tokenizer, text, mask)), repr(text)


def test_an_expression_keeps_its_meaning_in_javascript() -> None:
    assert translate(r"\s+(?!\S)|[^\s\p{L}]") == r"\p{White_Space}+(?!\P{White_Space})|[^\p{White_Space}\p{L}]"
    assert translate("(?i:'s|'ll)") == "(?:'[sSſ]|'[lL][lL])"
    for strange in (r"\p{L}++a(?>b)", r"\d+", r"[a&&b]", r"(?<!a)b", r"\X", r"(?i)a", "^a", "a.b"):
        with pytest.raises(ModelError, match=r"tokenizer.json: the split .* from .* on: a page reads byte-level BPE"):
            translate(strange)


def changed(change: Callable[[dict[str, Any]], Any]) -> Tokenizer:
    tree = json.loads(Tokenizer.train([SAID] * 50, 448).json)
    change(tree)
    return Tokenizer(json.dumps(tree))


def named(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer with the result of a merge as a special token."""
    first = "".join(json.loads(tokenizer.json)["model"]["merges"][0])
    return trained(BYTE_LEVEL, added=(AddedToken(first, special=True),))


REFUSED: dict[str, Callable[[], Tokenizer]] = {
    "a model of kind Unigram": lambda: pieces.pieces("t5"),
    "the decoder": lambda: pieces.pieces("llama2"),
    "the pre_tokenizer ByteLevel with a space before a text": lambda: pieces.pieces("prefixed"),
    "the normalizer Lowercase": lambda: changed(lambda tree: tree.update(normalizer={"type": "Lowercase"})),
    "a merge that makes the special token": lambda: named(trained(BYTE_LEVEL)),
    "the added token '<x>', which": lambda: trained(BYTE_LEVEL, added=(AddedToken("<x>", lstrip=True),)),
    "the pre_tokenizer Split": lambda: changed(
        lambda tree: tree["pre_tokenizer"]["pretokenizers"][0].update(behavior="Removed")
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_another_tokenizer_is_refused_by_what_it_has(why: str) -> None:
    with pytest.raises(ModelError, match=f"tokenizer.json: {why}"):
        describe(REFUSED[why]())
