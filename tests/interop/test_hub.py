"""Model folders: what is written, that it comes back, and one clear line for each way in which one can be broken."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import trivium
from trivium.base.errors import ModelError, TriviumError
from trivium.interop import hub
from trivium.interop.weights import tensors
from trivium.model.weights import collect
from trivium.token.extend import extend
from trivium.token.template import CHAT_TEMPLATE
from trivium.token.tokenizer import Tokenizer

TINY = {"layers": 2, "hidden_size": 32, "heads": 4, "context": 64}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    made = Tokenizer.bytes()
    return Tokenizer(made.json, made.config, CHAT_TEMPLATE)


def model(preset: str = "llama", tokenizer: Tokenizer | None = None, **changes) -> trivium.Model:
    size = tokenizer.size if tokenizer else 101
    made = trivium.build(preset, **{**TINY, "vocab_size": size, **changes})
    with torch.no_grad():
        for parameter in made.transformer.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    made.tokenizer = tokenizer
    return made


def same(a: trivium.Model, b: trivium.Model) -> None:
    ids = torch.randint(a.config.vocab_size, (2, 30))
    assert torch.equal(a.logits(ids), b.logits(ids))


@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        ("llama", {}),
        ("llama", {"tie": True, "kv_heads": 1, "position": {"kind": "rope", "scaling": "llama3"}}),
        ("gpt2", {}),
        ("llama", {"norm": "layer", "pattern": ["window", "causal"]}),
        ("gpt2", {"position": "sinusoid", "residual": "post", "tie": False}),
    ],
)
def test_what_was_saved_comes_back(preset: str, changes: dict, tmp_path: Path) -> None:
    ours = model(preset, dropout=0.1, init="scaled", **changes)
    ours.save(tmp_path / "m")
    again = trivium.load(tmp_path / "m")
    assert again.config == ours.config, "what config.json cannot say is in trivium.json"
    assert not again.transformer.training
    assert not [name for name, tensor in again.transformer.named_buffers() if tensor.is_meta]
    same(ours, again)
    tied = again.transformer.head.weight.data_ptr() == again.transformer.tokens.weight.data_ptr()
    assert tied == ours.config.tie == (again.transformer.head.weight is again.transformer.tokens.weight)


def test_the_files_of_a_folder(tokenizer: Tokenizer, tmp_path: Path) -> None:
    ours = model(tokenizer=tokenizer, tie=True)
    record = {"name": "demo", "recipe": {"seed": 1}, "data": {"manifest": "abc"}, "evaluation": {"loss": 2.25}}
    hub.save(tmp_path / "m", hub.Folder(ours.transformer, tokenizer, record=record))
    assert {file.name for file in (tmp_path / "m").iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "chat_template.jinja",
        "README.md",
        "trivium.json",
    }
    config = json.loads((tmp_path / "m/config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"] and config["dtype"] == config["torch_dtype"] == "float32"
    assert (config["bos_token_id"], config["eos_token_id"], config["pad_token_id"]) == (1, 2, 0)
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 10000.0
    end = tokenizer.id_of("<|end|>")
    assert json.loads((tmp_path / "m/generation_config.json").read_text())["eos_token_id"] == [end, 2]
    assert "lm_head.weight" not in load_file(tmp_path / "m/model.safetensors"), "a tied weight is stored once"
    card = (tmp_path / "m/README.md").read_text()
    assert card.startswith("---\n") and "| loss | 2.25 |" in card
    found = hub.load(tmp_path / "m")
    assert found.record == record and found.stop_ids == (end, 2)
    assert found.tokenizer.encode("abc ü") == tokenizer.encode("abc ü")


def test_no_stock_class_is_said_with_the_reason(tmp_path: Path) -> None:
    model(norm="layer").save(tmp_path / "m")
    about = json.loads((tmp_path / "m/trivium.json").read_text())
    assert about["stock"] is None and about["reasons"]["LlamaForCausalLM"].startswith("decoder.norm: layer")
    assert json.loads((tmp_path / "m/config.json").read_text())["model_type"] == "trivium"
    assert "decoder.blocks.0.attention.q.weight" in load_file(tmp_path / "m/model.safetensors")


@pytest.mark.parametrize("name", ["module", "_checkpoint_wrapped_module"])
def test_wrappers_leave_no_trace_in_names(name: str, tmp_path: Path) -> None:
    """Compiled blocks in what a process group or activation checkpointing wraps around them, under a compiled whole."""
    ours, plain = model(), set(collect(model().transformer))
    for i, block in enumerate(ours.transformer.decoder.blocks):
        outer = torch.nn.Module()
        outer.add_module(name, torch.compile(block))
        ours.transformer.decoder.blocks[i] = outer
    wrapped = torch.compile(ours.transformer)
    names = [key for key, _ in wrapped.named_parameters()]
    assert all(any(f"{part}." in key for key in names) for part in ("_orig_mod", name))
    assert set(collect(wrapped)) == plain
    hub.save(tmp_path / "m", hub.Folder(wrapped))
    assert not [key for key in load_file(tmp_path / "m/model.safetensors") if "_orig_mod" in key or name in key]
    trivium.load(tmp_path / "m")


def test_weights_are_read_as_float32_unless_asked(tmp_path: Path) -> None:
    ours = model()
    ours.transformer.to(torch.bfloat16)
    ours.save(tmp_path / "m")
    assert json.loads((tmp_path / "m/config.json").read_text())["torch_dtype"] == "bfloat16"
    assert trivium.load(tmp_path / "m").transformer.tokens.weight.dtype == torch.float32
    low = trivium.load(tmp_path / "m", dtype=torch.bfloat16).transformer
    assert low.tokens.weight.dtype == torch.bfloat16
    assert low.decoder.relative[0].frequency.dtype == torch.float32


def test_a_bare_stack_is_read_too(tmp_path: Path) -> None:
    """The published GPT-2 leaves out `transformer.`, and carries its causal masks."""
    ours = model("gpt2")
    ours.save(tmp_path / "m")
    (tmp_path / "m/trivium.json").unlink()
    file = tmp_path / "m/model.safetensors"
    bare = {key.removeprefix("transformer."): tensor for key, tensor in load_file(file).items()}
    save_file({**bare, "h.0.attn.bias": torch.ones(1, 1, 4, 4)}, file)
    same(ours, trivium.load(tmp_path / "m"))


def change(file: Path, **values) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def rewrite(folder: Path, edit) -> None:
    state = load_file(folder / "model.safetensors")
    edit(state)
    save_file(state, folder / "model.safetensors")


BREAKS = {
    "expected a model folder (config.json, *.safetensors, tokenizer.json), found README.md, generation_config.json, ": (
        lambda m: (m / "config.json").unlink()
    ),
    "config.json: not a JSON file": lambda m: (m / "config.json").write_text("{"),
    "config.json: expected an object": lambda m: (m / "config.json").write_text("[]"),
    "config.json: model_type 'zebra' is not supported; known: ": lambda m: change(
        m / "config.json", model_type="zebra"
    ),
    "config.json: hidden_act: 'xielu'": lambda m: change(m / "config.json", hidden_act="xielu"),
    "config.json: hidden_size: expected a whole number, found 'wide'": lambda m: change(
        m / "config.json", hidden_size="wide"
    ),
    "config.json: rms_norm_eps: expected a number, found 'small'": lambda m: change(
        m / "config.json", rms_norm_eps="small"
    ),
    "hidden_size is 32, but config.json says 64": lambda m: change(m / "config.json", hidden_size=64),
    "trivium.json: format: expected a number from 1 to 2, found 99": lambda m: change(m / "trivium.json", format=99),
    "trivium.json: model: decoder.layers: ": lambda m: change(
        m / "trivium.json", model={"preset": "llama", "decoder": {"layers": -1}}
    ),
    "model.safetensors: no such file": lambda m: (m / "model.safetensors").unlink(),
    "pytorch_model.bin: pickled weights are never read": lambda m: (m / "model.safetensors").rename(
        m / "pytorch_model.bin"
    ),
    "model.safetensors: not a whole safetensors file": lambda m: (m / "model.safetensors").write_bytes(
        (m / "model.safetensors").read_bytes()[:-100]
    ),
    "missing weights: model.norm.weight": lambda m: rewrite(m, lambda s: s.pop("model.norm.weight")),
    "unexpected weights: model.extra": lambda m: rewrite(m, lambda s: s.update({"model.extra": torch.ones(2)})),
    r"lm_head.weight: expected the shape [101, 32] of config.json, found [100, 32]": lambda m: rewrite(
        m, lambda s: s.update({"lm_head.weight": torch.ones(100, 32)})
    ),
}


@pytest.mark.parametrize("message", BREAKS)
def test_what_is_broken_is_named_in_one_line(message: str, tmp_path: Path) -> None:
    model().save(tmp_path / "m")
    BREAKS[message](tmp_path / "m")
    with pytest.raises(ModelError) as told:
        trivium.load(tmp_path / "m")
    assert message in str(told.value) and str(tmp_path) in str(told.value)
    assert "\n" not in str(told.value)


def test_a_folder_of_other_files_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expected a model folder .*, found nothing$"):
        trivium.load(tmp_path)
    for number in range(7):
        (tmp_path / f"{number}.gguf").touch()
    (tmp_path / "0").mkdir()
    with pytest.raises(ModelError, match=r"found 0.gguf, 0/, 1.gguf, 2.gguf, 3.gguf and 3 more$"):
        trivium.load(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model folder"):
        trivium.load(tmp_path / "nowhere")


def test_a_folder_with_other_things_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("precious")
    with pytest.raises(ModelError, match=r"holds diary\.txt"):
        model().save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["diary.txt"]


def test_a_failed_save_leaves_the_old_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = model()
    old.save(tmp_path / "m")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensors, "save_file", full)
    with pytest.raises(TriviumError, match="No space left on device; nothing was changed"):
        model().save(tmp_path / "m")
    assert [file.name for file in tmp_path.iterdir()] == ["m"]
    same(old, trivium.load(tmp_path / "m"))


def test_a_tokenizer_that_is_too_large(tokenizer: Tokenizer, tmp_path: Path) -> None:
    ours = model()
    with pytest.raises(ModelError, match=f"the tokenizer has {tokenizer.size} tokens, the model only 101"):
        hub.save(tmp_path / "m", hub.Folder(ours.transformer, tokenizer))
    ours.save(tmp_path / "m")
    tokenizer.save(tmp_path / "m")
    with pytest.raises(ModelError, match=r"tokenizer\.json: the tokenizer has"):
        trivium.load(tmp_path / "m")


def test_a_tokenizer_of_a_few_tokens_more_is_read_and_they_are_named(
    tokenizer: Tokenizer, tmp_path: Path, capsys
) -> None:
    """As in the stock library, where a padding token was added and the table was not resized."""
    ours = trivium.build("llama", layers=1, hidden_size=32, heads=4, vocab_size=tokenizer.size, context=64)
    ours.tokenizer = extend(tokenizer, ["[PAD]", "[MORE]"])
    for place in ("m", "again"):
        ours.save(tmp_path / place)
        ours = trivium.load(tmp_path / place)
        told = capsys.readouterr().err
        assert "[PAD], [MORE]: 2 in all have no row in the table" in told
    assert len(ours.generate("a line", max_new_tokens=3)) and ours.logits([[1, 5]]).shape[-1] == tokenizer.size
    with pytest.raises(ModelError, match=f"has the id {tokenizer.size}"):
        ours.generate([[tokenizer.size]], max_new_tokens=3)


def test_keys_that_nobody_knows_and_heads_that_nobody_loads_are_named_once(tmp_path: Path, capsys) -> None:
    bert = trivium.build("bert", layers=1, hidden_size=32, heads=4, vocab_size=64, context=16)
    bert.save(tmp_path)
    file = tmp_path / "config.json"
    more_keys = {"strange": 1, "newer": [2], "task_specific_params": {"a": 1}, "num_beams": 4}
    file.write_text(json.dumps({**json.loads(file.read_text()), **more_keys}))
    state = load_file(tmp_path / "model.safetensors")
    more = {"bert.pooler.dense.weight": torch.ones(32, 32), "cls.seq_relationship.bias": torch.ones(2)}
    save_file({**state, **more}, tmp_path / "model.safetensors")
    (tmp_path / "trivium.json").unlink()  # as another program would have written it
    trivium.load(tmp_path)
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("config.json: newer, strange: not known here, and not read; 2 in all")
    names = "bert.pooler.dense.weight, cls.seq_relationship.bias"
    assert second == f"warning: {names}: weights of heads that are not loaded, 2 in all"


def test_dropouts_that_training_has_not_apart_are_named(tmp_path: Path, capsys) -> None:
    trivium.build("gpt2", layers=1, hidden_size=32, heads=4, vocab_size=64, context=16).save(tmp_path)
    (tmp_path / "trivium.json").unlink()
    file = tmp_path / "config.json"
    tree = json.loads(file.read_text())
    for embedded, line in (
        (0.1, ""),
        (0.3, "embd_pdrop 0.3 (here 0.1): dropouts that training has not apart here; 1 in all"),
    ):
        file.write_text(json.dumps({**tree, "resid_pdrop": 0.1, "embd_pdrop": embedded}))
        trivium.load(tmp_path)
        assert capsys.readouterr().err.strip().endswith(line)


def test_stock_tools_read_the_folder(tokenizer: Tokenizer, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    ours = model(tokenizer=tokenizer)
    ours.save(tmp_path / "m")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
    text = "A line, naïve 中文 😀 </s>"
    assert theirs.encode(text, split_special_tokens=True) == ours.encode(text) == [1, *tokenizer.encode(text)]
    assert len(theirs) == tokenizer.size
    assert theirs.chat_template == CHAT_TEMPLATE
    generation = transformers.GenerationConfig.from_pretrained(tmp_path / "m")
    assert generation.eos_token_id == [tokenizer.id_of("<|end|>"), 2]


def test_loading_needs_no_transformers(tmp_path: Path) -> None:
    model().save(tmp_path / "m")
    code = f"import sys, trivium; trivium.load({str(tmp_path / 'm')!r}); sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
