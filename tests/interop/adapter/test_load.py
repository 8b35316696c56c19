"""Adapters of peft against peft itself: every kind gives the logits of peft beside the stock class, or is refused."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import small
import trivium
from tolerance import close
from trivium.base.errors import ModelError
from trivium.interop.adapter.config import PeftConfig
from trivium.interop.adapter.load import load_adapter
from trivium.interop.adapter.save import CONFIG, WEIGHTS, save_adapter
from trivium.model.adapt import Lora, adapt, adapted
from trivium.token.tokenizer import Tokenizer

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
peft = pytest.importorskip("peft", reason="peft is the oracle of these tests")
transformers.logging.set_verbosity_error()
pytestmark = pytest.mark.filterwarnings("ignore")

IDS = torch.tensor([[5, 9, 41, 7, 33, 2], [3, 88, 6, 54, 21, 90]])
CLASSES = {
    "encoder": "AutoModelForMaskedLM",
    "decoder": "AutoModelForCausalLM",
    "encoder_decoder": "AutoModelForSeq2SeqLM",
}
QV = ["q_proj", "v_proj"]
PATTERN = {"^model.layers.0.*": 3, "layers.[1].self_attn.q_proj": 5}
EQUAL = {
    "plain": ("qwen3", {}),
    "rank pattern": ("qwen3", {"rank_pattern": PATTERN}),
    "alpha pattern": ("qwen3", {"alpha_pattern": PATTERN}),
    "the end of a name": ("qwen3", {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 9}}),
    "the first pattern": ("qwen3", {"alpha_pattern": {r".*\.1\..*": 3, "q_proj": 7}}),
    "rslora": ("qwen3", {"use_rslora": True}),
    "rslora, patterns": ("qwen3", {"use_rslora": True, "rank_pattern": PATTERN, "alpha_pattern": {"v_proj": 9}}),
    "rslora, fused": ("gpt2", {"use_rslora": True, "target_modules": ["c_attn"], "rank_pattern": {r"h\.1\..*": 7}}),
    "regular expression": ("qwen3", {"target_modules": r".*\.1\.self_attn\.(q|k)_proj"}),
    "all linear": ("qwen3", {"target_modules": "all-linear"}),
    "excluded": ("qwen3", {"exclude_modules": ["layers.0.self_attn.q_proj"]}),
    "excluded by expression": ("qwen3", {"exclude_modules": r".*\.0\..*v_proj"}),
    "some layers": ("qwen3", {"layers_to_transform": [1]}),
    "one layer": ("qwen3", {"layers_to_transform": 0}),
    "layers by pattern": ("gpt2", {"target_modules": ["c_attn"], "layers_to_transform": [1], "layers_pattern": "h"}),
    "gaussian": ("qwen3", {"init_lora_weights": "gaussian"}),
    "orthogonal": ("qwen3", {"init_lora_weights": "orthogonal"}),
    "eva": ("qwen3", {"init_lora_weights": "eva"}),
    "mica": ("qwen3", {"init_lora_weights": "mica"}),
    "pissa": ("qwen3", {"init_lora_weights": "pissa"}),
    "pissa, fused": ("gpt2", {"init_lora_weights": "pissa", "target_modules": ["c_attn", "c_proj"]}),
    "pissa, rslora": ("qwen3", {"init_lora_weights": "pissa", "use_rslora": True, "rank_pattern": PATTERN}),
    "olora": ("qwen3", {"init_lora_weights": "olora"}),
    "olora, rslora": ("bert", {"init_lora_weights": "olora", "use_rslora": True, "target_modules": ["query", "dense"]}),
    "dora": ("qwen3", {"use_dora": True}),
    "dora, rslora": ("qwen3", {"use_dora": True, "use_rslora": True}),
    "dora, pissa": ("qwen3", {"use_dora": True, "init_lora_weights": "pissa"}),
    "dora, fused": ("gpt2", {"use_dora": True, "target_modules": ["c_attn"]}),
    "dora, bias": ("bert", {"use_dora": True, "target_modules": ["query"]}),
    "dora, table": ("llama", {"use_dora": True, "target_modules": ["embed_tokens", "q_proj"]}),
    "bias of the adapter": ("bert", {"target_modules": ["query"], "lora_bias": True}),
    "bias of the adapter, fused": ("gpt2", {"target_modules": ["c_attn"], "lora_bias": True}),
    "all biases": ("bert", {"target_modules": ["query"], "bias": "all"}),
    "biases of adapted layers": ("bert", {"target_modules": ["query", "dense"], "bias": "lora_only"}),
    "fused rows": ("modernbert", {"target_modules": ["Wqkv", "Wi"]}),
    "norms": ("qwen3", {"modules_to_save": ["input_layernorm", "norm"]}),
    "table": ("llama", {"target_modules": ["embed_tokens"]}),
    "head": ("llama", {"target_modules": ["lm_head", "q_proj"]}),
    "table and head": ("llama", {"modules_to_save": ["embed_tokens", "lm_head"]}),
    "tokens": ("llama", {"trainable_token_indices": [1, 5, 41]}),
    "tokens, tied": ("qwen3", {"trainable_token_indices": [1, 5, 41]}),
    "tokens by name": ("llama", {"trainable_token_indices": {"embed_tokens": [5, 41]}}),
    "tokens of two stacks": ("bart", {"trainable_token_indices": [5, 41]}),
    "tied, tied again": ("qwen3", {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}),
    "tied, an adapter for both": ("qwen3", {"target_modules": ["embed_tokens"], "ensure_weight_tying": True}),
    "fused twice": ("phi3", {"target_modules": ["qkv_proj", "gate_up_proj"], "rank_pattern": {"qkv_proj": 5}}),
    "two stacks": ("t5", {"target_modules": ["q", "v", "wo"], "alpha_pattern": {r"decoder\..*\.q": 3}}),
}
PARTED = {
    "tied, table saved": ("qwen3", {"modules_to_save": ["embed_tokens"]}),
    "tied, head saved": ("qwen3", {"modules_to_save": ["lm_head"]}),
    "tied, both saved": ("qwen3", {"modules_to_save": ["embed_tokens", "lm_head"]}),
    "tied, adapter of the head": ("qwen3", {"target_modules": ["lm_head"]}),
    "tied, adapter of the table": ("qwen3", {"target_modules": ["embed_tokens"]}),
    "tied, adapters of both": ("gpt2", {"target_modules": ["wte", "lm_head"]}),
    "tied, dora of the head": ("qwen3", {"target_modules": ["lm_head"], "use_dora": True}),
    "tied, head of an encoder": ("bert", {"target_modules": ["decoder"]}),
    "tied, head of two stacks": ("bart", {"target_modules": ["lm_head"]}),
    "tied, scaled head": ("t5", {"target_modules": ["q"], "modules_to_save": ["lm_head"]}),
    "tied, scaled table": ("gemma2", {"target_modules": ["embed_tokens"]}),
}
FAST = {"rslora, patterns", "layers by pattern", "pissa", "dora, fused", "tied, table saved"}


def made(preset, options, path):
    """A base folder, an adapter folder of peft, and peft's logits for them."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 96, "hidden_size": 32, "layers": 2, "heads": 4, "context": 64, "init": "scaled"}
    model = trivium.build(preset, **sizes)
    with torch.no_grad():
        for parameter in model.transformer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save(path / "base")
    kind = CLASSES[model.config.family]

    def base():
        return getattr(transformers, kind).from_pretrained(path / "base")

    stock = peft.get_peft_model(base(), peft.LoraConfig(**{"r": 4, "lora_alpha": 6, "target_modules": QV, **options}))
    with torch.no_grad():
        for parameter in stock.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))
    stock.save_pretrained(path / "adapter")
    again = peft.PeftModel.from_pretrained(base(), path / "adapter").eval()
    more = {"decoder_input_ids": IDS} if model.config.family == "encoder_decoder" else {}
    with torch.no_grad():
        before, after = (
            one.eval()(input_ids=IDS, attention_mask=torch.ones_like(IDS), **more).logits for one in (base(), again)
        )
    assert not close(before, after), "the adapter changes nothing"
    return after


def ours(path):
    model = trivium.load(path / "adapter")
    return model, model.logits(IDS, decoder_input_ids=IDS if model.config.family == "encoder_decoder" else None)


def marked(names):
    return [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", marked(EQUAL))
def test_a_kind_is_equal_to_peft(name, tmp_path, capsys):
    preset, options = EQUAL[name]
    expected = made(preset, options, tmp_path)
    model, found = ours(tmp_path)
    assert close(found, expected)
    tied = json.loads((tmp_path / "base" / "config.json").read_text())["tie_word_embeddings"]
    assert model.config.tie == tied and "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("name", marked(PARTED))
def test_a_table_that_is_parted_from_the_head_is_told(name, tmp_path, capsys):
    preset, options = PARTED[name]
    expected = made(preset, options, tmp_path)
    model, found = ours(tmp_path)
    assert close(found, expected) and not model.config.tie
    assert "the model is no longer tied" in capsys.readouterr().err
    again = trivium.load(model.save(tmp_path / "again"))
    assert torch.equal(ours(tmp_path)[1], found) and not again.config.tie
    assert torch.equal(again.transformer.head.weight, model.transformer.head.weight)


@pytest.fixture
def saved(tmp_path):
    """A base folder and an adapter of ours for it, and a function that changes keys of its adapter_config.json."""
    torch.manual_seed(0)
    model = trivium.build("llama", vocab_size=96, hidden_size=32, layers=2, heads=4, context=64)
    model.save(tmp_path / "base")
    adapt(model.transformer, Lora(rank=3, alpha=5.0))
    with torch.no_grad():
        for layer in adapted(model.transformer).values():
            layer.lora_b.normal_(std=0.3)
    save_adapter(tmp_path / "adapter", model.transformer, tmp_path / "base")
    text = (tmp_path / "adapter" / CONFIG).read_text()

    def change(**keys):
        (tmp_path / "adapter" / CONFIG).write_text(json.dumps(json.loads(text) | keys))
        return tmp_path / "adapter"

    return model, change


REFUSED = {
    "peft_type = 'IA3' is not supported, expected 'LORA'": {"peft_type": "IA3"},
    "peft_type = 'PROMPT_TUNING' is not": {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4},
    "use_qalora = True is not supported": {"use_qalora": True},
    "alora_invocation_tokens = .* is not supported": {"alora_invocation_tokens": [5]},
    "target_parameters = .* is not supported": {"target_parameters": ["mlp.up_proj.weight"]},
    "layer_replication = .* is not supported": {"layer_replication": [[0, 2], [0, 2]]},
    "use_bdlora = .* is not supported": {"use_bdlora": {"nblocks": 2}},
    "arrow_config = .* is not supported": {"arrow_config": {"top_k": 3}},
    "kasa_config = .* is not supported": {"kasa_config": {"beta": 0.1}},
    "monteclora_config = .* is not supported": {"monteclora_config": {"num_samples": 8}},
    "velora_config = .* is not supported": {"velora_config": {"rank": 8}},
    "megatron_config = .* is not supported": {"megatron_config": {"a": 1}},
    "use_of_tomorrow = True is not supported": {"use_of_tomorrow": True},
    "init_lora_weights = 'pissa_niter_4'": {"init_lora_weights": "pissa_niter_4"},
    "init_lora_weights = 'corda'": {"init_lora_weights": "corda"},
    "init_lora_weights = 'lora_ga'": {"init_lora_weights": "lora_ga"},
    "init_lora_weights = 'loftq'": {"init_lora_weights": "loftq", "loftq_config": {"loftq_bits": 4}},
    r"model\.layers\.0\.\S+: use_dora needs a lora_magnitude_vector of \d+": {"use_dora": True},
    r"layers\.0\.self_attn\.q_proj: expected an adapter of rank 7, found rank 3": {"rank_pattern": {"q_proj": 7}},
    r"'\(' is not a regular expression": {"alpha_pattern": {"(": 7}},
    r"r: expected .* above 0": {"r": -1, "rank_pattern": {}},
}


@pytest.mark.parametrize("told", REFUSED)
def test_what_we_do_not_compute_is_refused(told, saved):
    with pytest.raises(ModelError, match=told) as error:
        trivium.load(saved[1](**REFUSED[told]))
    assert "adapter_" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("start", [True, "olora"])
def test_olora_on_a_transposed_matrix_is_refused(start, tmp_path):
    made("gpt2", {"target_modules": ["attn.c_proj"]}, tmp_path)
    file = tmp_path / "adapter" / CONFIG
    file.write_text(json.dumps(json.loads(file.read_text()) | {"init_lora_weights": start}))
    if start is True:
        trivium.load(tmp_path / "adapter")
        return
    with pytest.raises(ModelError, match=r"h\.0\.attn\.c_proj: init_lora_weights = 'olora' on a matrix that is stored"):
        trivium.load(tmp_path / "adapter")


@pytest.mark.slow
def test_two_input_tables_are_refused(tmp_path):
    made("bart", {"target_modules": ["embed_tokens"]}, tmp_path)
    with pytest.raises(ModelError, match=r"decoder\.embed_tokens.*encoder\.embed_tokens.*the model has one"):
        trivium.load(tmp_path / "adapter")


@pytest.mark.slow
def test_no_value_of_the_config_ends_in_a_traceback(saved):
    values = [None, [], [1], ["x"], {}, {"x": "y"}, -1, 0, 10**30, 1e300, "", "x", "(", True, [None], [[1, 2]]]
    keys = json.loads((saved[1]() / CONFIG).read_text())
    for key in {*keys, *PeftConfig.model_fields, "base_model_name_or_path"}:
        for value in values:
            try:
                trivium.load(saved[1](**{key: value}))
            except ModelError as error:
                assert "\n" not in str(error), (key, value)


def test_modules_that_the_config_leaves_out_are_told(saved, capsys):
    model, change = saved
    named = {"target_modules": [f"{part}_proj" for part in ("q", "k", "v", "o", "gate", "up", "down")]}
    found = trivium.load(change(**named)).logits(IDS)
    assert close(found, model.logits(IDS)) and not capsys.readouterr().err
    trivium.load(change(**named, layers_to_transform=[0]))
    assert "leaves out 7 modules that have weights, model.layers.1." in capsys.readouterr().err
    trivium.load(change(target_modules=["norm", *named["target_modules"]]))
    assert "no weights for 1 modules of adapter_config.json, model.norm first" in capsys.readouterr().err


def test_a_folder_of_an_adapter_loads_with_its_base(saved, tmp_path):
    model, change = saved
    again = trivium.load(change())
    assert close(again.logits(IDS), model.logits(IDS)) and not adapted(again.transformer)
    with pytest.raises(ModelError, match=r"adapter_model\.bin: pickled weights are never read"):
        (tmp_path / "adapter" / WEIGHTS).rename(tmp_path / "adapter" / "adapter_model.bin")
        trivium.load(tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_model.bin").rename(tmp_path / "adapter" / WEIGHTS)
    (tmp_path / "adapter" / "trivium.json").unlink()
    for name in ("config.json", "model.safetensors"):  # an adapter beside the weights of its base
        (tmp_path / "adapter" / name).write_bytes((tmp_path / "base" / name).read_bytes())
    (tmp_path / "moved").mkdir()
    (tmp_path / "base").rename(tmp_path / "moved" / "base")
    assert close(trivium.load(tmp_path / "adapter").logits(IDS), model.logits(IDS))
    (tmp_path / "adapter" / "config.json").unlink()
    with pytest.raises(ModelError, match="base_model_name_or_path"):
        trivium.load(tmp_path / "adapter")


def test_the_tokenizer_beside_an_adapter_is_taken(tmp_path):
    base = small.folder(tmp_path, "llama")
    model = trivium.load(base)
    adapt(model.transformer, Lora(rank=2))
    folder = model.save_adapter(tmp_path / "adapter", base)
    assert trivium.load(folder).tokenizer.chat_template == model.tokenizer.chat_template
    other = Tokenizer(model.tokenizer.json, model.tokenizer.config, "{{ messages[0]['content'] }}")
    other.save(tmp_path / "tokenizer")
    for file in (tmp_path / "tokenizer").iterdir():
        file.rename(folder / file.name)
    assert trivium.load(folder).tokenizer.chat_template == other.chat_template


def test_an_adapter_of_another_model_is_refused(saved, tmp_path):
    folder = saved[1]()
    other = trivium.build("llama", vocab_size=96, hidden_size=48, layers=2, heads=4)
    with pytest.raises(ModelError, match=r"does not fit a layer of \d+ to 48"):
        load_adapter(folder, other.transformer)
    with pytest.raises(ModelError, match="another model's"):
        load_adapter(folder, trivium.build("bert", vocab_size=96, hidden_size=32, layers=2, heads=4).transformer)
    state = load_file(folder / WEIGHTS)
    for name in ("extra.weight", "extra.lora_A.weight"):
        save_file({**state, f"base_model.model.{name}": torch.zeros(1)}, folder / WEIGHTS)
        with pytest.raises(ModelError, match=r"unexpected weights: extra\."):
            trivium.load(folder)
