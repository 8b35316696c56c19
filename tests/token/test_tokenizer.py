import itertools
import logging
import pickle
import random
from types import SimpleNamespace

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models

from trivium.base.errors import DataError
from trivium.token import fast
from trivium.token import tokenizer as tokenizer_file
from trivium.token.special import special_names
from trivium.token.tokenizer import Tokenizer, scrub

from .conftest import corpus, word_piece

HOSTILE = [
    "<|im_end|>",
    "</s>",
    "[MASK]",
    "<extra_id_0>",
    "<|user|>",
    "<s><s>",
    "<|us" + "er|>",
    "<pad>\0<unk>",
    "< s>",
]
TEXT = (
    st.text(max_size=40)
    | st.sampled_from(HOSTILE)
    | st.lists(st.sampled_from([*HOSTILE, " ", "\r\n", "a"])).map("".join)
)


def fuzz(count):
    draw = random.Random(7)
    alphabet = "abc XYZ'st12345\r\n\t .,-_é\u0301ñß中文、。😀👩‍👩‍👧\u00a0\u200b\ufeff\ufffdกขعש"
    return ["".join(draw.choices(alphabet, k=draw.randrange(30))) for _ in range(count)]


def strange(count):
    """Chinese, emoji, spaces of every kind, any character at all, and what looks like a control token or is one."""
    draw = random.Random(11)

    def some(pieces, most):
        return "".join(draw.choices(pieces, k=draw.randrange(1, most)))

    han = [*map(chr, range(0x4E00, 0x4F00)), *"，。！？「」《》", "３", "𠀀", "㐂"]
    emoji = ["😀", "👍🏽", "👩‍👩‍👧", "🇩🇪", "1️⃣", "❤️", "\u200d", "\ufe0f", "🫠"]
    spaces = [*" \t\n\r\v\f\x1c\x85", "\r\n", "   ", "\u00a0", "\u2003", "\u2028", "\u3000", "\u200b", "a", "1"]
    any_one = [chr(draw.choice([draw.randrange(0xD800), draw.randrange(0xE000, 0x110000)])) for _ in range(2000)]
    names = special_names()
    broken = [name[:at] + change + name[at:] for name in draw.sample(names, 60) for at, change in ((1, " "), (-1, "_"))]
    broken += [name.swapcase() for name in names[:9]] + [name[:-1] for name in names] + ["<", ">", "|", "<|", "|>"]
    words = [
        "don't",
        "WE'LL",
        "naïve",
        "ﬁ",
        "e\u0301",
        "1234567",
        "-0.5e+10",
        "x" * 60,
        "https://a.b/c?d=é#f",
        "\0",
        "\ufeff",
    ]
    kinds = [(han, 30), (emoji, 12), (spaces, 20), (any_one, 20), (broken, 6), ([*broken, *words, " ", *han[:20]], 20)]
    texts = [some(*kinds[i % len(kinds)]) for i in range(count - 60)]
    return [*texts, *(draw.choice(["", "a", " ", "中"]) + name + draw.choice(["", "b", " "]) for name in names[:60])]


@settings(derandomize=True, deadline=None, max_examples=200)
@given(text=TEXT)
def test_encoding_round_trips_and_never_makes_a_control_id(tokenizer, text):
    for each in (tokenizer, _bytes()):
        ids = each.encode(text)
        assert each.decode(ids) == text
        assert each.special.isdisjoint(ids)


def _bytes(cache=[]):  # noqa: B006
    cache[:] = cache or [Tokenizer.bytes()]
    return cache[0]


@settings(derandomize=True, deadline=None, max_examples=100)
@given(raw=st.binary(max_size=30))
def test_arbitrary_bytes_round_trip_through_their_ids(raw):
    first = _bytes().id_of("Ā")  # byte 0 in the printable alphabet
    assert first >= 125
    ids = [_bytes().pieces.index(bytes([byte])) for byte in raw]
    assert b"".join(_bytes().pieces[i] for i in ids) == raw
    assert _bytes().decode(ids) == raw.decode("utf-8", "replace")


def test_lone_surrogates_become_replacement_characters(any_tokenizer):
    assert any_tokenizer.decode(any_tokenizer.encode("a\ud800b\udfff")) == "a\ufffdb\ufffd"
    assert scrub("\ud83d\ude00") == "😀"
    flat, _ = any_tokenizer.encode_batch(["a\ud800b\udfff"])
    assert any_tokenizer.decode(flat.tolist()) == "a\ufffdb\ufffd"


def test_a_batch_is_its_texts_one_by_one(any_tokenizer):
    texts = [*HOSTILE, "", *fuzz(100)]
    flat, offsets = any_tokenizer.encode_batch(texts)
    assert flat.dtype == np.uint32 and offsets.dtype == np.uint64 and len(offsets) == len(texts) + 1
    parts = [flat[a:b].tolist() for a, b in itertools.pairwise(offsets)]
    assert parts == [any_tokenizer.encode(text) for text in texts]
    flat, offsets = any_tokenizer.encode_batch([])
    assert len(flat) == 0 and offsets.tolist() == [0]


def test_skip_special_leaves_content(tokenizer):
    ids = [1, 6, *tokenizer.encode("hi"), 8, 2]
    assert tokenizer.decode(ids, skip_special=True) == "hi"
    assert tokenizer.decode(ids) == "<s><|user|>hi<|end|></s>"


def test_save_and_load_give_the_same_tokenizer(any_tokenizer, tmp_path):
    any_tokenizer.save(tmp_path, chat_template="{{ x }}", model_max_length=512)
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        again = Tokenizer.load(path)
        assert again.identity == any_tokenizer.identity and again.vocabulary == any_tokenizer.vocabulary
        assert again.chat_template == "{{ x }}" and again.config["model_max_length"] == 512
    again.save(tmp_path / "second")
    assert (tmp_path / "second/chat_template.jinja").read_text() == "{{ x }}"
    assert (tmp_path / "second/tokenizer_config.json").read_text() == (tmp_path / "tokenizer_config.json").read_text()
    assert pickle.loads(pickle.dumps(any_tokenizer)).encode("añb") == any_tokenizer.encode("añb")


def test_stock_transformers_reads_the_same_ids(any_tokenizer, tmp_path):
    transformers = pytest.importorskip("transformers")
    any_tokenizer.save(tmp_path, model_max_length=99)
    stock = transformers.AutoTokenizer.from_pretrained(tmp_path)
    texts = [*fuzz(300), *strange(700), *corpus(5)]
    ours = [any_tokenizer.encode(text) for text in texts]
    # Stock tools read a whole control token as one, ours only where asked; told to spell them, they agree on all.
    spelled = stock(texts, add_special_tokens=False, split_special_tokens=True).input_ids
    assert [text for text, a, b in zip(texts, ours, spelled, strict=True) if a != b] == []
    plain = [
        (text, ids) for text, ids in zip(texts, ours, strict=True) if not any(name in text for name in special_names())
    ]
    assert 900 < len(plain) < len(texts)
    found = stock([text for text, _ in plain]).input_ids  # nothing is added by default either
    assert [text for (text, a), b in zip(plain, found, strict=True) if a != b] == []
    assert [text for text, ids in zip(texts, ours, strict=True) if stock.decode(ids) != text] == []
    names = ("bos", "eos", "pad", "unk", "mask", "cls", "sep")
    assert [getattr(stock, f"{name}_token_id") for name in names] == [1, 2, 0, 3, 4, 1, 2]
    assert len(stock) == any_tokenizer.size and stock.model_max_length == 99
    assert set(stock.all_special_ids) <= any_tokenizer.special


def test_unreadable_folders_are_one_clear_line(tmp_path):
    with pytest.raises(DataError, match=r"tokenizer\.json: no such file"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(DataError, match="not a JSON file"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match="expected an object with a 'model'"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "Nonsense"}}')
    with pytest.raises(DataError, match="cannot be read as a tokenizer"):
        Tokenizer.load(tmp_path)


def test_foreign_roles_come_from_tables_in_both_forms_or_from_usual_names(tmp_path):
    hf = word_piece()
    hf.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "special_tokens_map.json").write_text('{"mask_token": {"content": "[MASK]"}, "pad_token": "[PAD]"}')
    (tmp_path / "tokenizer_config.json").write_text('{"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": null}')
    full = Tokenizer.load(tmp_path)
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    for each in (full, Tokenizer.load(tmp_path)):
        vocabulary = each.vocabulary
        assert (vocabulary.pad, vocabulary.bos, vocabulary.eos, vocabulary.mask, vocabulary.size) == (0, 2, 3, 4, 10)
        # neither its truncation nor its padding touch content, and [MASK] in a text is three words
        assert each.encode("ab ab ab ab ab ab") == [8, 9] * 6 and each.encode("a") == [8]
        assert each.encode("[MASK]") == [5, 7, 6] and each.encode("é") == [1]


def test_a_vocabulary_that_spells_its_control_tokens_is_disarmed():
    pieces = [("<unk>", 0.0), ("</s>", 0.0), *((char, -5.0) for char in "</s>ab▁")]
    hf = tokenizers.Tokenizer(models.Unigram(pieces, unk_id=0))
    hf.decoder = decoders.Fuse()
    hf.add_special_tokens([AddedToken("</s>", special=True)])
    each = Tokenizer(hf.to_str(), {"eos_token": "</s>", "unk_token": "<unk>"})
    assert hf.model.tokenize("a</s>b")[1].id == 1  # the danger is real
    for text in ("a</s>b", "</s>", "</s></s>"):
        assert 1 not in each.encode(text) and each.decode(each.encode(text)) == text
    flat, offsets = each.encode_batch(["a", "a</s>b"])
    assert 1 not in flat and offsets.tolist() == [0, 1, 7]


def test_added_tokens_that_are_not_special_stay_vocabulary_unless_a_role_names_them():
    hf = tokenizers.Tokenizer.from_str(Tokenizer.bytes().json)
    hf.add_special_tokens([AddedToken("<|stop|>", special=True)])
    hf.add_tokens([AddedToken("<think>", normalized=False), AddedToken("<eot>", normalized=False)])
    each = Tokenizer(hf.to_str(), {"eos_token": "<eot>"})
    assert each.encode("a<think>")[1:] == [385] and each.size == 387
    assert 386 not in each.encode("<eot>") and each.vocabulary.eos == 386 and 386 in each.special
    assert each.decode([385, 386], skip_special=True) == "<think>"
    flat, _ = each.encode_batch(["<think><eot><|stop|>"])
    assert flat.tolist() == each.encode("<think><eot><|stop|>") and flat[0] == 385


def test_a_fast_encoder_that_differs_is_not_used(tokenizer, monkeypatch, caplog):
    class Wrong:
        from_json_str = staticmethod(lambda text: Wrong())

        def encode(self, text):
            return SimpleNamespace(ids=[] if text == "" else [300])

    monkeypatch.setattr(fast.fastokens, "Tokenizer", Wrong)
    monkeypatch.setattr(tokenizer_file, "encoders", fast.encoders.__wrapped__)  # nothing kept of before, or for after
    with caplog.at_level(logging.WARNING):
        slow = Tokenizer(tokenizer.json, tokenizer.config)
    assert "differ" in caplog.text and slow._fast is None
    for text in [*fuzz(50), *HOSTILE]:
        assert slow.encode(text) == tokenizer.encode(text)
    assert [a.tolist() for a in slow.encode_batch(HOSTILE)] == [a.tolist() for a in tokenizer.encode_batch(HOSTILE)]


def test_the_fast_encoder_is_used_for_our_own(any_tokenizer):
    assert any_tokenizer._fast is not None


@pytest.mark.parametrize(
    ("found", "limit"), [(None, None), (512, 512), (1e30, None), (64.0, 64), (0, None), ("x", None)]
)
def test_the_length_that_the_folder_tells(found, limit):
    assert Tokenizer(Tokenizer.bytes().json, {"model_max_length": found}).limit == limit
