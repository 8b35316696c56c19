"""The families of encoders, decoders and encoder-decoders against their stock classes, both ways, nothing a default.

Logits, hidden states, the loss on labels and greedy ids are equal; folders of ours load in the stock class whole.
"""

import gc
from pathlib import Path

import pytest
import torch

import trivium
from tolerance import close
from trivium.base.batch import Batch, Stream
from trivium.base.types import Vocabulary
from trivium.infer.generate import generate
from trivium.infer.request import Request
from trivium.interop.families import by_type, families, stock
from trivium.interop.hub import load
from trivium.model.presets import PRESETS
from trivium.model.transformer import Transformer
from trivium.token.tokenizer import Tokenizer
from trivium.train.loss.token import TokenLoss

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
transformers.logging.set_verbosity_error()

DECODER = {
    "vocab_size": 101,
    "hidden_size": 48,
    "intermediate_size": 75,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 10,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GPT2 = {"vocab_size": 101, "n_embd": 36, "n_layer": 3, "n_head": 3, "n_positions": 128, "layer_norm_epsilon": 1e-3}
LLAMA = {**DECODER, "num_hidden_layers": 3}
ENCODER = {
    "vocab_size": 101,
    "hidden_size": 36,
    "intermediate_size": 75,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
BART = {
    "vocab_size": 101,
    "d_model": 36,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 50,
    "decoder_ffn_dim": 75,
    "max_position_embeddings": 96,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": None,
}
DISTILBERT = {
    "vocab_size": 101,
    "dim": 36,
    "n_layers": 3,
    "n_heads": 3,
    "hidden_dim": 75,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
T5 = {
    "vocab_size": 101,
    "d_model": 36,
    "d_kv": 10,
    "d_ff": 75,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "num_heads": 3,
    "relative_attention_num_buckets": 12,
    "relative_attention_max_distance": 20,
    "layer_norm_epsilon": 1e-3,
    "pad_token_id": 0,
    "eos_token_id": 2,
    "decoder_start_token_id": 0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "beta_fast": 8, "rope_theta": 77.0}
LONGROPE = {
    "rope_type": "longrope",
    "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4],
    "long_factor": [2.0, 2.5, 3.0, 3.5, 4.0],
}
FULL, SLIDING = "full_attention", "sliding_attention"
WINDOWED = {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 2}
GLOBAL = {"rope_theta": 777.0, "rope_type": "default"}
LOCAL = {"rope_theta": 99.0, "rope_type": "default"}
CASES = {
    "llama-mqa": ("llama", LLAMA, {}),
    "llama-gqa-tied": ("llama", LLAMA, {"num_key_value_heads": 2, "head_dim": 16, "tie_word_embeddings": True}),
    "llama-biased": ("llama", LLAMA, {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 4}),
    "llama-theta": ("llama", LLAMA, {"rope_parameters": {"rope_type": "default", "rope_theta": 123456.7}}),
    "llama-linear": ("llama", LLAMA, {"rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 500.0}}),
    "llama-llama3": ("llama", LLAMA, {"rope_parameters": {**LLAMA3, "rope_theta": 777.0}}),
    "llama-dynamic": (
        "llama",
        LLAMA,
        {
            "max_position_embeddings": 16,
            "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 500.0},
        },
    ),
    "llama-yarn": ("llama", LLAMA, {"rope_parameters": YARN}),
    "llama-gelu": ("llama", LLAMA, {"hidden_act": "gelu_pytorch_tanh"}),
    "llama-longrope": ("llama", LLAMA, {"rope_parameters": {**LONGROPE, "original_max_position_embeddings": 16}}),
    "gpt2-tied": ("gpt2", GPT2, {}),
    "gpt2-decay": ("gpt2", GPT2, {"scale_attn_by_inverse_layer_idx": True}),
    "gpt2-untied": ("gpt2", GPT2, {"tie_word_embeddings": False, "n_inner": 50, "activation_function": "relu"}),
    "gpt2-unscaled": ("gpt2", GPT2, {"scale_attn_weights": False, "activation_function": "gelu"}),
    "mistral": ("mistral", DECODER, {"sliding_window": 7}),
    "ministral": ("ministral", DECODER, {"sliding_window": 7, "layer_types": [FULL, SLIDING, SLIDING, FULL]}),
    "mistral-full-tied": ("mistral", DECODER, {"sliding_window": None, "tie_word_embeddings": True}),
    "qwen3": ("qwen3", DECODER, {"attention_bias": True}),
    "qwen3-window": ("qwen3", DECODER, {**WINDOWED, "tie_word_embeddings": True, "num_key_value_heads": 2}),
    "gemma2": ("gemma2", DECODER, {"sliding_window": 6, "query_pre_attn_scalar": 7}),
    "gemma2-plain": (
        "gemma2",
        DECODER,
        {"attn_logit_softcapping": None, "final_logit_softcapping": None, "num_hidden_layers": 3},
    ),
    "qwen2": ("qwen2", DECODER, {"num_key_value_heads": 2}),
    "qwen2-window": ("qwen2", DECODER, {**WINDOWED, "tie_word_embeddings": True}),
    "olmo2": ("olmo2", DECODER, {"num_key_value_heads": 2, "attention_bias": True}),
    "smollm3": ("smollm3", DECODER, {"no_rope_layer_interval": 3, "mlp_bias": True, "tie_word_embeddings": False}),
    "smollm3-window": ("smollm3", DECODER, {"no_rope_layers": [1, 0, 0, 1], **WINDOWED, "attention_bias": True}),
    "phi3": ("phi3", {**DECODER, "head_dim": 12}, {"sliding_window": 7, "num_key_value_heads": 2}),
    "phi3-partial": (
        "phi3",
        {**DECODER, "head_dim": 12},
        {
            "num_hidden_layers": 2,
            "rope_parameters": {"rope_type": "default", "rope_theta": 77.0, "partial_rotary_factor": 0.5},
        },
    ),
    "phi3-longrope": (
        "phi3",
        {**DECODER, "head_dim": 12},
        {
            "max_position_embeddings": 256,
            "original_max_position_embeddings": 128,
            "partial_rotary_factor": 0.9,
            "rope_scaling": {**LONGROPE, "type": "longrope"},
        },
    ),
    "gemma3_text": (
        "gemma3_text",
        DECODER,
        {
            "sliding_window": 6,
            "query_pre_attn_scalar": 7,
            "sliding_window_pattern": 3,
            "rope_parameters": {
                "full_attention": {"rope_theta": 777.0, "rope_type": "linear", "factor": 4.0},
                "sliding_attention": {"rope_theta": 99.0, "rope_type": "default"},
            },
        },
    ),
    "gemma3_text-capped": ("gemma3_text", DECODER, {"attn_logit_softcapping": 3.0, "final_logit_softcapping": 7.0}),
    "bert": ("bert", ENCODER, {"layer_norm_eps": 1e-3}),
    "distilbert": ("distilbert", DISTILBERT, {"activation": "relu"}),
    "eurobert": ("eurobert", ENCODER, {"num_key_value_heads": 1, "attention_bias": True, "mlp_bias": True}),
    "eurobert-tied": ("eurobert", ENCODER, {"head_dim": 10, "tie_word_embeddings": True}),
    "bert-relu": ("bert", ENCODER, {"hidden_act": "relu", "type_vocab_size": 3}),
    "roberta": ("roberta", ENCODER, {"pad_token_id": 1, "layer_norm_eps": 1e-3, "type_vocab_size": 1}),
    "xlm-roberta": ("xlm-roberta", ENCODER, {"pad_token_id": 1, "type_vocab_size": 1}),
    "camembert": ("camembert", ENCODER, {"pad_token_id": 1, "layer_norm_eps": 1e-3}),
    "roberta-first": ("roberta", ENCODER, {"pad_token_id": 0, "hidden_act": "gelu_new"}),
    "modernbert": (
        "modernbert",
        ENCODER,
        {"local_attention": 6, "rope_parameters": {"full_attention": GLOBAL, "sliding_attention": LOCAL}},
    ),
    "modernbert-biased": (
        "modernbert",
        ENCODER,
        {
            "local_attention": 8,
            "global_attn_every_n_layers": 2,
            "norm_bias": True,
            "attention_bias": True,
            "mlp_bias": True,
            "decoder_bias": False,
            "classifier_bias": True,
            "tie_word_embeddings": False,
        },
    ),
    "t5": ("t5", T5, {}),
    "t5-gated": ("t5", T5, {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    "t5-tied-unscaled": ("t5", T5, {"feed_forward_proj": "gated-gelu", "scale_decoder_outputs": False}),
    "mt5": ("mt5", T5, {"dense_act_fn": "gelu", "feed_forward_proj": "gated-gelu"}),
    "t5-silu": ("t5", T5, {"feed_forward_proj": "gated-silu"}),
    "bart": ("bart", BART, {}),
    "bart-scaled": ("bart", BART, {"scale_embedding": True, "activation_function": "relu"}),
    "mbart": ("mbart", BART, {"scale_embedding": True}),
    "marian": ("marian", {**BART, "decoder_vocab_size": 101}, {"scale_embedding": True, "decoder_start_token_id": 0}),
    "pegasus": ("pegasus", BART, {"activation_function": "relu", "decoder_start_token_id": 0}),
}


ROBERTAS = ("roberta", "xlm-roberta", "camembert")


def auto(family: str):
    """The stock class that makes and loads a family's models."""
    autos = {"decoder": "AutoModelForCausalLM", "encoder": "AutoModelForMaskedLM"}
    return getattr(transformers, autos.get("_".join(by_type(family).stacks), "AutoModelForSeq2SeqLM"))


def randomise(model: torch.nn.Module, seed: int = 0) -> None:
    """Give every weight, norms, biases and bias buffers too, numbers that show where one is swapped or left out."""
    generator = torch.Generator().manual_seed(seed)
    buffers = [(name, buffer) for name, buffer in model.named_buffers() if name == "final_logits_bias"]
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *buffers]:
            if not tensor.requires_grad and not name.endswith("bias"):
                continue  # sinusoids
            noise = torch.randn(tensor.shape, generator=generator)
            norm = tensor.dim() == 1 and name.endswith("weight")
            # Unscaled scores (T5) of large queries make a softmax so sharp that float32 alone differs by more.
            scale = 0.04 if name.endswith(".q.weight") else 0.25
            tensor.copy_(1 + 0.3 * noise if norm else noise * scale)


@pytest.fixture(scope="module", params=CASES)
def stock_model(request):
    family, base, changes = CASES[request.param]
    config = transformers.AutoConfig.for_model(family, **{**base, **changes})
    model = auto(family).from_config(config, attn_implementation="eager").eval()
    if request.param in ("t5-gated", "mt5"):
        model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.shared.weight))  # as v1.1 was released
    randomise(model)
    yield model
    gc.collect()


def inputs(kind: str, size: int, seed: int = 1) -> dict[str, torch.Tensor]:
    """Rows of control-free ids with a mask: none, padding on the right, or on the left."""
    generator = torch.Generator().manual_seed(seed)
    ids, mask = torch.randint(3, size, (3, 20), generator=generator), torch.ones(3, 20, dtype=torch.long)
    if kind == "right":
        mask[1, 13:], mask[2, 1:] = 0, 0
    elif kind == "left":
        mask[1, :7], mask[2, :19] = 0, 0
    return {"input_ids": ids, "attention_mask": mask}


@torch.no_grad()
def compare(ours: trivium.Model, reference) -> None:
    """Logits and hidden states of the same ids, without padding and with it."""
    config, family = ours.config, reference.config.model_type
    for kind in ("none", "right", "left"):
        given = inputs(kind, config.vocab_size)
        keep = given["attention_mask"].bool()
        extra: dict[str, torch.Tensor] = {}
        if family in ROBERTAS:  # the stock class counts positions by padding ids, we by columns or tokens
            given["input_ids"] = given["input_ids"].masked_fill(~keep, reference.config.pad_token_id)
            if kind == "left":
                continue
        if family == "bert":
            extra["token_type_ids"] = torch.arange(60).view(3, 20) % reference.config.type_vocab_size
        if config.family == "encoder_decoder":
            extra["decoder_input_ids"] = inputs("none", config.vocab_size, seed=2)["input_ids"][:, :17]
            keep = torch.ones(3, 17, dtype=torch.bool)
        said = reference(**given, **extra, output_hidden_states=True)
        states = said.decoder_hidden_states if config.family == "encoder_decoder" else said.hidden_states
        assert said.logits[keep].std() > 0.1
        assert close(ours.logits(**given, **extra)[keep], said.logits[keep]), kind
        assert close(ours.hidden(**given, **extra)[keep], states[-1][keep]), kind


@torch.no_grad()
def compare_loss(ours: trivium.Model, reference) -> None:
    """The mean loss of labels, some ignored, with the decoder's input as the stock class makes it of them."""
    config = ours.config
    ids = inputs("none", config.vocab_size)["input_ids"]
    labels = inputs("none", config.vocab_size, seed=5)["input_ids"]
    labels[:, 15:] = -100
    shape = torch.arange(20).expand(3, 20), torch.ones(3, 20, dtype=torch.long)
    if config.family == "encoder_decoder":
        start = torch.full((3, 1), reference.config.decoder_start_token_id)
        right = torch.cat([start, labels[:, :-1]], dim=1).masked_fill(labels.roll(1) == -100, 0)
        right[:, 0] = start[:, 0]
        batch = Batch(Stream(ids, *shape), Stream(right, *shape), {"token": labels})
    elif config.family == "encoder":
        batch = Batch(Stream(ids, *shape), None, {"token": labels})
    else:
        labels = ids.clone()
        labels[1, :6], labels[2, 11:] = -100, -100
        shifted = torch.cat([labels[:, 1:], torch.full((3, 1), -100)], dim=1)
        batch = Batch(None, Stream(ids, *shape), {"token": shifted})
    total, losses, _ = TokenLoss()(ours.transformer.head, ours.transformer(batch), batch)
    given = {"input_ids": ids, "labels": labels}
    if reference.config.model_type == "mbart":  # left to itself it moves the last label, a language, to the front
        given["decoder_input_ids"] = right
    assert torch.isclose(total / len(losses), reference(**given).loss, rtol=1e-5)


@torch.no_grad()
def compare_greedy(ours: trivium.Model, reference, count: int) -> None:
    """Greedy ids with a cache, of rows of several lengths."""
    config = ours.config
    options = {"do_sample": False, "max_new_tokens": count, "min_new_tokens": count, "eos_token_id": None}
    for length in (1, 9):
        ids = inputs("none", config.vocab_size, seed=length)["input_ids"][:1, :length]
        found = reference.generate(ids, attention_mask=torch.ones_like(ids), pad_token_id=0, **options)[0].tolist()
        if config.encoder is None:
            mine = generate(ours.transformer, Request(ids.tolist(), max_new_tokens=count))[0].ids
            assert mine == found[length:]
        else:
            start = [[reference.config.decoder_start_token_id]]
            mine = generate(ours.transformer, Request(start, max_new_tokens=count, sources=ids.tolist()))[0].ids
            assert mine == found[1:]


def test_stock_to_ours(stock_model, tmp_path: Path) -> None:
    stock_model.save_pretrained(tmp_path)
    ours = trivium.load(tmp_path)
    compare(ours, stock_model)
    compare_loss(ours, stock_model)
    if ours.config.decoder is not None:
        compare_greedy(ours, stock_model, 64)


def test_ours_to_stock(stock_model, tmp_path: Path) -> None:
    """Random weights of ours, saved, load in the stock class without a missing or unexpected key."""
    config = by_type(stock_model.config.model_type).read(stock_model.config.to_dict())
    transformer = Transformer(config)
    randomise(transformer, seed=3)
    ours = trivium.Model(transformer.eval())
    ours.save(tmp_path / "model")
    loaded, info = auto(stock_model.config.model_type).from_pretrained(tmp_path / "model", output_loading_info=True)
    assert type(loaded) is type(stock_model)
    assert not any(info[key] for key in info), info
    compare(ours, loaded.eval())
    again = trivium.load(tmp_path / "model")
    assert again.config == config
    tied = [again.transformer.head.weight.data_ptr(), again.transformer.tokens.weight.data_ptr()]
    assert (tied[0] == tied[1]) == config.tie


BARE = [name for name, (family, _, _) in CASES.items() if by_type(family).bare]


@pytest.mark.parametrize("name", BARE)
def test_one_stack_without_a_head(name: str, tmp_path: Path) -> None:
    """The bare class of every encoder and decoder, both ways: its hidden states, and no key but the pooler's is gone.

    A decoder whose head would be tied has one, as in the stock class with a head.
    """
    family, base, changes = CASES[name]
    config = transformers.AutoConfig.for_model(family, **{**base, **changes})
    reference = transformers.AutoModel.from_config(config, attn_implementation="eager").eval()
    randomise(reference)
    reference.save_pretrained(tmp_path / "theirs")
    ours = trivium.load(tmp_path / "theirs")
    ids = torch.randint(3, 101, (2, 9), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = reference(input_ids=ids).last_hidden_state
    tied = ours.config.decoder is not None and ours.config.tie
    assert ours.config.head.kind == ("lm" if tied else "none") and close(ours.hidden(ids), wanted)
    ours.save(tmp_path / "ours")
    again, info = transformers.AutoModel.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not [key for keys in info.values() for key in keys if "pooler" not in key]
    with torch.no_grad():
        assert close(again.eval()(input_ids=ids).last_hidden_state, wanted)


def test_every_family_is_compared() -> None:
    pictures = {"vit", "siglip_vision_model", "vit-gpt2", "trocr", "paligemma2"}  # in test_pair and test_vit
    assert {family for family, _, _ in CASES.values()} | pictures == set(families())


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_stock_class(name: str) -> None:
    """Every preset at any size is carried by a stock class, so that what is trained with it loads everywhere."""
    family, reasons = stock(trivium.build(name, depth=2, vocab_size=64).config)
    assert family is not None, reasons
    assert family.model_type == {"llama3": "llama", "t5-v1.1": "t5"}.get(name, name)


def test_control_ids_that_a_class_counts_positions_by_must_suit_it() -> None:
    """RoBERTa's positions begin after the padding id: another table than our padding's needs another class."""
    vocabulary = Vocabulary(64, pad=0, bos=1, eos=2)
    config = trivium.build("roberta", depth=1, vocab_size=64).config
    assert stock(config, vocabulary)[0] is by_type("roberta")
    config = trivium.build("roberta", depth=1, vocab_size=64, position={"kind": "learned", "offset": 2}).config
    assert stock(config)[0] is by_type("roberta")
    family, reasons = stock(config, vocabulary)
    assert family is None and "the padding id + 1" in reasons["RobertaForMaskedLM"]


@pytest.mark.parametrize("name", ["t5", "bart", "mbart"])
def test_a_decoder_beside_an_encoder_knows_its_start(name: str, tmp_path: Path) -> None:
    tokenizer = Tokenizer.bytes()
    model = trivium.build(name, depth=1, vocab_size=tokenizer.size)
    model.tokenizer = tokenizer
    folder = load(model.save(tmp_path / "model"))
    expected = tokenizer.vocabulary.pad if name == "t5" else tokenizer.vocabulary.eos
    assert folder.start == expected
    generation = transformers.GenerationConfig.from_pretrained(tmp_path / "model")
    assert generation.decoder_start_token_id == expected
    assert generation.forced_eos_token_id is None and folder.forced == {}
