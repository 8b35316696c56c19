"""The few names of the package."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

import small
import trivium
from trivium.base.errors import ConfigError, ModelError
from trivium.base.types import Message
from trivium.model.attention.pattern import Window
from trivium.model.layer.norm import RMSNorm
from trivium.token.tokenizer import Tokenizer

TINY = {"layers": 2, "hidden_size": 32, "heads": 4, "context": 64, "vocab_size": 101}


@pytest.fixture(scope="module")
def ids_only() -> trivium.Model:
    torch.manual_seed(0)
    return trivium.build("gpt2", **TINY)


@pytest.fixture(scope="module")
def model() -> trivium.Model:
    torch.manual_seed(0)
    tokenizer = Tokenizer.bytes()
    made = trivium.build("llama", **{**TINY, "vocab_size": tokenizer.size})
    made.tokenizer = tokenizer
    return made


def test_importing_costs_no_torch() -> None:
    code = "import sys, trivium; trivium.__version__; assert 'torch' not in sys.modules; trivium.load; trivium.Model"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        trivium.lod  # noqa: B018


def test_the_version_has_one_source() -> None:
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert trivium.__version__ == project["version"]


def test_build_lays_flat_fields_over_a_preset() -> None:
    config = trivium.build("llama", depth=2, heads=4, kv_heads=2, vocab_size=80, ffn_size=48, tie=True).config
    assert (config.hidden_size, config.decoder.layers, config.decoder.heads) == (128, 2, 4)
    assert (config.decoder.kv_heads, config.decoder.ffn.size, config.tie) == (2, 48, True)
    assert config.decoder.ffn.kind == "glu", "the size does not change the kind"
    config = trivium.build("llama", **TINY, pattern={"kind": "window", "size": 7}, norm=RMSNorm(eps=1e-3)).config
    assert config.decoder.pattern == (Window(size=7),) and config.decoder.norm == RMSNorm(eps=1e-3)
    assert trivium.build("gpt2", **TINY, pattern=["causal", Window(size=3)]).config.decoder.kind(1)[0] == Window(size=3)


@pytest.mark.parametrize(
    ("preset", "changes", "message"),
    [
        ("llama", {"hiden_size": 3}, "build: hiden_size: unknown keyword; did you mean 'hidden_size'?"),
        ("llama", {"head": "lmm"}, "unknown kind 'lmm'"),
        ("llama", {"layers": 0}, "decoder.layers: expected a whole number, above 0 and at most 4,096"),
        ("lama", {"layers": 2}, "unknown preset 'lama'; known: "),
        ("llama", {"norm": "rsm"}, "decoder.norm: unknown kind 'rsm'; did you mean 'rms'?"),
        ("llama", {"heads": 5}, "decoder: hidden_size 32 is not a multiple of heads 5"),
    ],
)
def test_build_says_what_is_wrong(preset: str, changes: dict, message: str) -> None:
    with pytest.raises(ConfigError) as told:
        trivium.build(preset, **{**TINY, **changes})
    assert message in str(told.value)


def test_logits_and_hidden(ids_only: trivium.Model) -> None:
    ids = [[1, 2, 3, 4], [5, 6, 7, 8]]
    logits, hidden = ids_only.logits(ids), ids_only.hidden(torch.tensor(ids))
    assert logits.shape == (2, 4, 101) and logits.dtype == torch.float32 and not logits.requires_grad
    assert hidden.shape == (2, 4, 32)
    assert torch.equal(logits, ids_only.transformer.logits(hidden))
    padded = ids_only.logits([[1, 2, 3, 9], [5, 6, 7, 8]], attention_mask=[[1, 1, 1, 0], [1, 1, 1, 1]])
    assert torch.allclose(padded[0, :3], logits[0, :3], atol=1e-6)
    assert torch.allclose(padded[1], logits[1], atol=1e-6)
    ids_only.transformer.train()
    ids_only.logits(ids)
    assert ids_only.transformer.training
    ids_only.transformer.eval()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2],), r"input_ids: expected a table \[B, T\]"),
        (([[1, 2], [3]],), "input_ids: expected rows of ids of one length"),
        (([[1, 101]],), "prompt 0 has the id 101"),
        (([[1] * 65],), "has 65 tokens, but the model has only 64 positions"),
        (([[1, 2]], [[1]]), r"attention_mask: expected the shape \[1, 2\]"),
    ],
)
def test_input_that_cannot_be_read(ids_only: trivium.Model, arguments: tuple, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        ids_only.logits(*arguments)


def test_generate_gives_what_it_is_given(model: trivium.Model) -> None:
    text = model.generate("abc", max_new_tokens=5)
    assert isinstance(text, str)
    assert model.generate(["abc", "de"], max_new_tokens=5)[0] == text
    ids = [1, *model.tokenizer.encode("abc")]
    found = model.generate(ids, max_new_tokens=5)
    assert model.tokenizer.decode(found, skip_special=True) == text, "one BOS, by id"
    assert model.generate([ids, [4, 5]], max_new_tokens=5)[0] == found
    assert model.generate(torch.tensor([ids]), max_new_tokens=5) == [found]
    assert "".join(model.stream("abc", max_new_tokens=5)) == text
    assert model.generate([]) == []


def test_generate_with_options(model: trivium.Model) -> None:
    options = {"max_new_tokens": 12, "temperature": 1.5, "top_k": 50, "top_p": 0.9, "min_p": 0.01, "seed": 4}
    text = model.generate("abc", **options, repetition_penalty=1.1)
    assert model.generate("abc", **options, repetition_penalty=1.1) == text
    with pytest.raises(ConfigError, match="generate: top_p: "):
        model.generate("abc", top_p=2.0)
    with pytest.raises(ConfigError, match="stop: "):
        model.generate([1, 2], stop="x")
    with pytest.raises(ModelError, match="expected texts only or ids only"):
        model.generate(["a", [1]])


def test_texts_need_a_tokenizer(ids_only: trivium.Model) -> None:
    assert len(ids_only.generate([3, 4], max_new_tokens=3)) == 3
    with pytest.raises(ModelError, match=r"this model has no tokenizer \(no tokenizer.json\): give ids, or set"):
        ids_only.generate("abc")
    with pytest.raises(ModelError, match=r"this model has no tokenizer \(no tokenizer.json\): give ids, or set"):
        ids_only.chat([{"role": "user", "content": "a"}])


def test_chat(model: trivium.Model) -> None:
    asked = [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}]
    answer = model.chat(asked, max_new_tokens=6)
    assert isinstance(answer, str)
    assert model.chat([Message("system", "s"), Message("user", "hi")], max_new_tokens=6) == answer
    chat = model.conversation(6, system="s")
    assert "".join(chat.reply("hi")) == answer


def test_save_and_load(model: trivium.Model, tmp_path: Path) -> None:
    model.record["data"] = "abc"
    model.save(tmp_path / "m")
    again = trivium.load(tmp_path / "m")
    assert again.config == model.config and again.record == model.record == {"data": "abc"}
    assert again.stop_ids == (model.tokenizer.id_of("<|end|>"), 2)
    assert again.generate("abc", max_new_tokens=8) == model.generate("abc", max_new_tokens=8)


def test_a_text_that_is_cut_is_told_with_what_cut_it(model: trivium.Model) -> None:
    assert model.layout().reason == "cut to 64 tokens, the model's context"
    assert model.layout(200).reason == "cut to 64 tokens, the model's context"
    assert model.layout(32).reason == "cut to 32 tokens, data.length"


@pytest.mark.parametrize("preset", ["llama", "bert"])
def test_a_model_that_is_built_here_states_the_frame_of_its_texts(preset: str, tmp_path: Path) -> None:
    import tokenizers

    made = small.model(preset)
    assert made.start is None
    made.save(tmp_path / "m")
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "m" / "tokenizer.json"))
    assert theirs.encode("ab").ids == made.encode("ab") == trivium.load(tmp_path / "m").encode("ab")
