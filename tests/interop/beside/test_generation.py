"""What a folder states for generation holds where a call does not say it, with the texts of transformers.generate."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import trivium
from trivium.interop.beside.generation import defaults, written
from trivium.model.config import configure

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
transformers.logging.set_verbosity_error()

BART = {
    "vocab_size": 53,
    "d_model": 24,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
}
T5 = {"vocab_size": 53, "d_model": 24, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 3, "pad_token_id": 0}
CONFIGS = {"bart": BART, "mbart": BART, "t5": {**T5, "decoder_start_token_id": 0, "eos_token_id": 1}}
SUMMARY = {"max_length": 14, "min_length": 6, "no_repeat_ngram_size": 3, "num_beams": 4, "length_penalty": 2.0}
STATED = {
    "beams": {**SUMMARY, "early_stopping": True, "forced_eos_token_id": 2},
    "slow beams": {**SUMMARY, "length_penalty": 0.6, "early_stopping": False, "repetition_penalty": 1.4},
    "greedy": {"max_new_tokens": 9, "min_new_tokens": 4, "no_repeat_ngram_size": 2},
}
SOURCES = [[9, 8, 7, 11, 30], [12, 4], [40, 41, 42, 43, 44, 45, 46, 5, 6]]


def stock(kind: str, folder: Path, stated: dict[str, Any], legacy: bool = False) -> Any:
    """A stock model that states how it writes, saved in a folder, and read from it."""
    config = transformers.AutoConfig.for_model(kind, **CONFIGS[kind])
    model = transformers.AutoModelForSeq2SeqLM.from_config(config, attn_implementation="eager").eval()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, part in model.named_parameters():
            noise = torch.randn(part.shape, generator=draw)
            part.copy_(1 + 0.1 * noise if part.dim() == 1 and name.endswith("weight") else 0.3 * noise)
    model.save_pretrained(folder)
    file = folder / ("config.json" if legacy else "generation_config.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **stated}))
    if legacy:
        (folder / "generation_config.json").unlink()
    return transformers.AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").eval()


def theirs(model: Any) -> list[list[int]]:
    found, end = [], model.config.eos_token_id
    for row in SOURCES:
        ids = torch.tensor([row])
        made = model.generate(ids, attention_mask=torch.ones_like(ids))[0, 1:].tolist()
        found.append(made[: made.index(end)] if end in made else made)
    return found


@pytest.mark.parametrize("stated", STATED)
@pytest.mark.parametrize("kind", CONFIGS)
def test_texts_are_those_of_transformers(kind: str, stated: str, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    oracle = stock(kind, tmp_path / "m", STATED[stated])
    ours = trivium.load(tmp_path / "m")
    assert "warning" not in capsys.readouterr().err
    expected = theirs(oracle)
    assert [ours.generate(row) for row in SOURCES] == expected
    assert [ours.generate(row, 30 if stated == "greedy" else 13, num_beams=1) for row in SOURCES] != expected
    assert trivium.load(ours.save(tmp_path / "again")).defaults == ours.defaults, "and travel with the model"


def test_a_config_without_the_other_file_says_the_same(tmp_path: Path) -> None:
    oracle = stock("bart", tmp_path / "m", STATED["beams"], legacy=True)
    ours = trivium.load(tmp_path / "m")
    assert ours.defaults["num_beams"] == 4 and [ours.generate(row) for row in SOURCES] == theirs(oracle)


def test_what_has_no_words_here_is_told_once(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    more = {"diversity_penalty": 0.5, "bad_words_ids": [[3]], "typical_p": 1.0, "use_cache": True, "max_time": 3.0}
    stock("t5", tmp_path / "m", {**more, "temperature": 0.7, "early_stopping": True})
    capsys.readouterr()
    trivium.load(tmp_path / "m")
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "generation_config.json: bad_words_ids [[3]], diversity_penalty 0.5, " in told
    assert "early_stopping true (without num_beams)" in told and "temperature 0.7 (without do_sample)" in told
    assert told.rstrip().endswith("5 in all")


@pytest.mark.parametrize(
    ("tree", "expected", "strange"),
    [
        ({"do_sample": True}, {"temperature": 1.0}, []),
        ({"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 20}, None, []),
        ({"do_sample": True, "top_k": 50, "top_p": 1.0, "temperature": 0.6}, {"temperature": 0.6}, []),
        ({"do_sample": False, "top_k": 50, "temperature": 1.0, "top_p": 1.0}, {}, []),
        ({"do_sample": True, "num_beams": 3, "top_p": 0.5}, {"num_beams": 3}, 2),
        ({"num_beams": "4"}, {}, ['num_beams "4"']),
        ({"repetition_penalty": 0.0}, {}, None),
        ({"max_length": 4096, "max_new_tokens": 30}, {"max_new_tokens": 30}, []),
        ({"max_length": 20, "min_length": 3}, {}, ["max_length 20", "min_length 3"]),
        ({"eos_token_id": [1, 2], "transformers_version": "5", "num_beams": 1, "length_penalty": 1.0}, {}, []),
    ],
)
def test_options_of_a_decoder(tree: dict[str, Any], expected: Any, strange: Any) -> None:
    config = configure("llama", layers=1, hidden_size=32, heads=2, context=256)
    found, told = defaults(tree, config, whole=True)
    if expected is None:
        assert found == {key: value for key, value in tree.items() if key != "do_sample"}
    else:
        assert found == expected
    assert len(told) == strange if isinstance(strange, int) else strange is None or told == strange
    if not told:
        assert defaults(written(found), config, whole=True) == (found, [])
