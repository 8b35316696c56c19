"""Measuring tokenizers: sums over documents, by language and source, side by side; foreign models work like ours."""

import json
from collections import Counter
from pathlib import Path

import pytest
import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers

from trivium.corpus.measure import TokenCount, compare, lines
from trivium.corpus.read.reading import Reading
from trivium.token.tokenizer import Tokenizer

CONTROL = ["<unk>", "<s>", "</s>"]


def unigram() -> tokenizers.Tokenizer:
    """A SentencePiece model of the T5 kind."""
    pieces = [(name, 0.0) for name in CONTROL] + [(piece, -2.0) for piece in ("▁hello", "▁world", "▁", "hell", "▁猫")]
    made = tokenizers.Tokenizer(models.Unigram(pieces + [(c, -9.0) for c in "helowrd"], unk_id=0))
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return made


def fallback() -> tokenizers.Tokenizer:
    """A SentencePiece model of the Llama 2 and Mistral kind: BPE that falls back on bytes."""
    names = [*CONTROL, *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "▁a", "ab"]
    merges = [("▁", "a"), ("a", "b")]
    made = tokenizers.Tokenizer(
        models.BPE({n: i for i, n in enumerate(names)}, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    made.decoder = decoders.Sequence(steps)
    return made


def word_piece() -> tokenizers.Tokenizer:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "world", "##s", "猫", *"abc", "."]
    made = tokenizers.Tokenizer(models.WordPiece({n: i for i, n in enumerate(names)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    return made


def save(folder: Path, made: tokenizers.Tokenizer, control: list[str]) -> Path:
    folder.mkdir()
    made.add_special_tokens([AddedToken(name, special=True) for name in control])
    made.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("foreign")
    return {
        "unigram": save(root / "unigram", unigram(), CONTROL),
        "fallback": save(root / "fallback", fallback(), CONTROL),
        "wordpiece": save(root / "wordpiece", word_piece(), ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]),
    }


def test_bytes_have_one_token_each_and_come_back(tmp_path: Path) -> None:
    Tokenizer.bytes().save(tmp_path / "t")
    (tmp_path / "a.txt").write_text("abc")
    (tmp_path / "b.txt").write_text("猫 <s>")
    found = compare([tmp_path / "t"], [tmp_path / "a.txt", tmp_path / "b.txt"])
    assert found["all", ""] == TokenCount(2, 10, [10], [0])


def test_tokenizers_stand_side_by_side_by_language_and_source(tmp_path: Path, foreign: dict[str, Path]) -> None:
    Tokenizer.bytes().save(tmp_path / "ours")
    (tmp_path / "in").mkdir()
    rows = ["hello worlds.", "hello", "猫猫猫猫"]
    (tmp_path / "in" / "a.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    (tmp_path / "in" / "b.txt").write_text("Hello\nworld")
    table = compare([tmp_path / "ours", foreign["wordpiece"]], [tmp_path / "in"])
    whole = table["all", ""]
    assert (whole.documents, whole.bytes, whole.tokens, whole.changed) == (4, 41, [41, 11], [0, 2])
    assert list(table)[1][0] == "language" and table["language", "zh"].tokens == [12, 4]
    assert table["source", "a.jsonl"].documents == 3 and table["source", "in"].tokens == [11, 2]
    for what in ("language", "source"):
        groups = [group for (kind, _), group in table.items() if kind == what]
        assert sum(group.bytes for group in groups) == whole.bytes
        assert [sum(group.tokens[at] for group in groups) for at in (0, 1)] == whole.tokens
    said = list(lines(["ours", "wordpiece"], table))
    assert said[0].split() == ["documents", "bytes", "ours", "wordpiece"]
    assert said[1].split() == ["all", "4", "41", "1.000", "(100.0%)", "3.727", "(50.0%)"]


@pytest.mark.parametrize(
    ("name", "text", "back"),
    [
        ("unigram", "hello world", "hello world"),
        ("unigram", "hello 猫 é", "hello 猫 <unk>"),
        ("fallback", "ab é 猫</s>\n", "ab é 猫</s>\n"),
        ("wordpiece", "Hello worlds [MASK] .", "hello worlds [UNK] [UNK] [UNK]."),
    ],
)
def test_foreign_models_give_back_what_they_can(foreign: dict[str, Path], name: str, text: str, back: str) -> None:
    tokenizer = Tokenizer.load(foreign[name])
    ids = tokenizer.encode(text)
    unknown = {tokenizer._ids[name] for name in ("<unk>", "[UNK]") if name in tokenizer._ids}
    assert tokenizer.decode(ids) == back and not (set(ids) & tokenizer.special) - unknown
    flat, _ = tokenizer.encode_batch([text])
    assert flat.tolist() == ids
    stream = tokenizer.stream()
    assert "".join(map(stream.push, ids)) + stream.flush() == back


@pytest.mark.parametrize("name", ["unigram", "fallback", "wordpiece"])
def test_foreign_models_make_data_folders(tmp_path: Path, foreign: dict[str, Path], name: str) -> None:
    from trivium.corpus.prepare import Preparation, prepare
    from trivium.data.shards import Corpus

    (tmp_path / "a.txt").write_text("hello worlds ab hello 猫\n" * 3)
    made = prepare([tmp_path / "a.txt"], tmp_path / "d", Preparation(tokenizer=str(foreign[name]), valid_share=0))
    tokenizer = Tokenizer.load(tmp_path / "d" / "tokenizer")
    assert made["tokenizer"] == tokenizer.identity == Tokenizer.load(foreign[name]).identity
    (ids,) = Corpus(tmp_path / "d", "train").documents()
    assert ids.tolist() == tokenizer.encode(("hello worlds ab hello 猫\n" * 3).strip())


def test_files_that_are_not_read_are_counted(tmp_path):
    (tmp_path / "a.txt").write_text("a text")
    (tmp_path / "b.py").write_text("code")
    Tokenizer.bytes().save(tmp_path / "bytes.d")
    counts: Counter[str] = Counter()
    table = compare([tmp_path / "bytes.d"], [tmp_path / "a.txt"], counts=counts)
    assert not counts and table["all", ""].documents == 1
    compare([tmp_path / "bytes.d"], [tmp_path], Reading(broken="drop"), counts)
    assert counts["not read: .py file"] == 1 and counts["not read: .json file"] == 3
