"""Our models as folders of CTranslate2: same greedy ids, same hidden states; what it computes otherwise is an error."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import trivium
from trivium.base.errors import ConfigError, ModelError
from trivium.infer.generate import generate
from trivium.infer.request import Request
from trivium.interop import ctranslate2, hub
from trivium.token.tokenizer import Tokenizer

ct2 = pytest.importorskip("ctranslate2", reason="ctranslate2 is the oracle of these tests")
pytest.importorskip("transformers", reason="CTranslate2 converts with transformers")

TOLERANCE = 1e-4
"""How far logits and hidden states may be off."""
STACK = {"layers": 2, "hidden_size": 64, "heads": 4}
GROUPED = {**STACK, "kv_heads": 2}
SLOW = {"kind": "rope", "theta": 500.0}
LLAMA3 = {**SLOW, "scaling": {"kind": "llama3", "factor": 8.0, "original_context": 16}}
UNCAPPED = {**GROUPED, "softcap": None, "head": {"kind": "lm", "softcap": None}, "head_size": 24}
DECODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {**GROUPED, "norm": {"kind": "rms", "eps": 1e-3}}),
    "llama-theta-tied": ("llama", {**STACK, "tie": True, "position": SLOW}),
    "llama-linear": ("llama", {**GROUPED, "position": {**SLOW, "scaling": {"kind": "linear", "factor": 3.0}}}),
    "mistral": ("mistral", {**GROUPED, "head_size": 24}),
    "mistral-window": ("mistral", {**GROUPED, "position": SLOW, "pattern": {"kind": "window", "size": 16}}),
    "mistral-short": ("mistral", {**GROUPED, "pattern": {"kind": "window", "size": 4}}),
    "qwen3": ("qwen3", {**GROUPED, "head_size": 24}),
    "gpt2": ("gpt2", STACK),
    "gpt2-untied": ("gpt2", {**STACK, "tie": False, "ffn_size": 96}),
    "gemma2": ("gemma2", UNCAPPED),
    "llama-llama3": ("llama", {**GROUPED, "position": LLAMA3}),
    "gemma2-capped": ("gemma2", GROUPED),
    "gemma2-theta": ("gemma2", {**UNCAPPED, "position": SLOW}),
    "llama-biased": ("llama", {**GROUPED, "bias": True, "ffn": {"kind": "glu", "bias": True}}),
    "qwen2": ("qwen2", GROUPED),
    "qwen3-window": ("qwen3", {**GROUPED, "pattern": {"kind": "window", "size": 4}}),
}
REFUSED = {
    "mistral-short": "pattern",  # goes on otherwise after a prompt that is longer than the window
    "mistral-window": "pattern",
    "llama-llama3": "position.scaling llama3",  # writes the factor alone, and computes it as unscaled
    "gemma2-capped": "softcap",
    "gemma2-theta": "position.theta",
    "qwen3-window": "pattern",
    "qwen2": "is written for llama, ",
    "roberta-pad-0": "pad_token_id 0",  # takes it for none: positions are off by one
    "t5-v1.1": "tie false",  # transformers 5 calls every T5 tied: its scores would be divided by sqrt(D)
    "bert-classify": "head classify",
}
"""What CTranslate2 4.8 drops or computes otherwise without a word -> what the error names."""
PAIRS = {
    "t5": ("t5", STACK),
    "t5-v1.1": ("t5-v1.1", {**STACK, "head_size": 24}),
    "bart": ("bart", STACK),
    "mbart": ("mbart", STACK),
}
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", STACK),
    "roberta": ("roberta", {**STACK, "position": {"kind": "learned", "offset": 2}}),
    "roberta-pad-0": ("roberta", STACK),
    "bert-classify": ("bert", {**STACK, "head": {"kind": "classify", "labels": ["a", "b"], "dense": True}}),
}


def cases(table: dict[str, Any]) -> list[str]:
    """The names of a table that CTranslate2 computes as they are."""
    return [name for name in table if name not in REFUSED]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.bytes()


def model(preset: str, fields: dict[str, Any], tokenizer: Tokenizer) -> trivium.Model:
    """A random model in which nothing is a default."""
    made = trivium.build(preset, **{"vocab_size": tokenizer.size, "context": 64, **fields})
    draw = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for key, parameter in made.transformer.named_parameters():
            noise = torch.randn(parameter.shape, generator=draw)
            norm = parameter.dim() == 1 and key.endswith("weight")
            parameter.copy_(parameter + 0.3 * noise if norm else 0.1 * noise)
    return trivium.Model(made.transformer, tokenizer)


def convert(made: trivium.Model, folder: Path, quantize: str | None = None) -> str:
    """Write a folder of CTranslate2."""
    parts = made.transformer, made.tokenizer, made.stop_ids
    return str(ctranslate2.write(folder / "theirs", hub.Folder(*parts), quantize))


def names(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    """What ids are called in tokenizer.json."""
    called = {index: name for name, index in tokenizer._ids.items()}
    return [called[index] for index in ids]


def prompts(count: int = 3) -> list[list[int]]:
    return torch.randint(128, 384, (count, 11), generator=torch.Generator().manual_seed(3)).tolist()


def until(ids: list[int], stop: int) -> list[int]:
    return ids[: ids.index(stop)] if stop in ids else ids


@pytest.mark.parametrize("name", cases(DECODERS))
def test_decoders(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    made = model(*DECODERS[name], tokenizer)
    generator = ct2.Generator(convert(made, tmp_path), compute_type="float32", intra_threads=1)
    rows = prompts()
    said = np.asarray(generator.forward_batch([names(tokenizer, row) for row in rows], return_log_probs=False))
    off = float((torch.from_numpy(said) - made.logits(rows)).abs().max())
    ours = [list(c.ids) for c in generate(made.transformer, Request(rows, max_new_tokens=24, stop_ids=[2]))]
    options = {"max_length": 24, "sampling_topk": 1, "include_prompt_in_result": False}
    theirs = generator.generate_batch([names(tokenizer, row) for row in rows], **options)
    print(f"{name}: logits {off:.1e}")
    assert [until(result.sequences_ids[0], 2) for result in theirs] == ours
    assert sum(map(len, ours)) > 24
    assert off < TOLERANCE


@pytest.mark.parametrize("name", cases(PAIRS))
def test_encoder_decoders(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    made = model(*PAIRS[name], tokenizer)
    translator = ct2.Translator(convert(made, tmp_path), compute_type="float32", intra_threads=1)
    sources = [[*row, 2] for row in prompts()]
    start = {"bart": 2, "mbart": 300}.get(name, 0)
    ours = [
        list(c.ids)
        for c in generate(made.transformer, Request([[start]] * 3, max_new_tokens=24, stop_ids=[2], sources=sources))
    ]
    prefix = [names(tokenizer, [start])] * 3 if name == "mbart" else None
    options = {"beam_size": 1, "max_decoding_length": 24}
    theirs = translator.translate_batch([names(tokenizer, row) for row in sources], target_prefix=prefix, **options)
    found = [[tokenizer.id_of(token) for token in result.hypotheses[0]] for result in theirs]
    assert found == ours and sum(map(len, ours)) > 24


@pytest.mark.parametrize("name", cases(ENCODERS))
def test_encoders(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    if name == "roberta":  # whose padding is 1
        roles = {"pad_token": "<s>", "bos_token": "</s>", "cls_token": "</s>"}
        tokenizer = Tokenizer(tokenizer.json, {**tokenizer.config, **roles})
    made = model(*ENCODERS[name], tokenizer)
    encoder = ct2.Encoder(convert(made, tmp_path), compute_type="float32", intra_threads=1)
    rows = prompts()
    said = encoder.forward_batch(rows).last_hidden_state
    off = float((torch.from_numpy(np.asarray(said)) - made.hidden(rows)).abs().max())
    print(f"{name}: hidden states {off:.1e}")
    assert off < TOLERANCE


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_computes_otherwise_is_refused_by_name(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    made = model(*(DECODERS | PAIRS | ENCODERS)[name], tokenizer)
    with pytest.raises(ModelError, match=REFUSED[name]):
        convert(made, tmp_path)
    assert not any(tmp_path.iterdir())


def test_matrices_in_8_bits(tokenizer: Tokenizer, tmp_path: Path) -> None:
    made = model(*DECODERS["llama"], tokenizer)
    sizes = [(Path(convert(made, tmp_path, how)) / "model.bin").stat().st_size for how in (None, "int8")]
    assert sizes[1] < 0.4 * sizes[0]
    with pytest.raises(ConfigError, match="quantize: expected one of int8, int16"):
        convert(made, tmp_path, "q8_0")
