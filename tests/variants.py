"""Stock configurations with one key changed: what people write, what other years wrote, and what is wrong."""

import dataclasses
import json
import random
from collections.abc import Iterator
from typing import Any

Tree = dict[str, Any]

IDS = {"vocab_size": 61, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
DECODER = {
    **IDS,
    "hidden_size": 32,
    "intermediate_size": 44,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
}
ENCODER = {
    **IDS,
    "hidden_size": 32,
    "intermediate_size": 44,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
BART = {
    **IDS,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 44,
    "max_position_embeddings": 64,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": None,
}
T5 = {
    **IDS,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 44,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": 4,
    "relative_attention_num_buckets": 12,
    "relative_attention_max_distance": 20,
    "decoder_start_token_id": 0,
}
BASES: dict[str, Tree] = {
    "gpt2": {**IDS, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64},
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "olmo2", "phi3", "smollm3"), DECODER),
    **{name: {**DECODER, "sliding_window": 5} for name in ("gemma2", "ministral")},
    "gemma3_text": {**DECODER, "sliding_window": 5, "sliding_window_pattern": 2},
    **dict.fromkeys(("bert", "eurobert"), ENCODER),
    "modernbert": {**ENCODER, "local_attention": 6, "num_hidden_layers": 4},
    **{name: {**ENCODER, "pad_token_id": 1, "bos_token_id": 0} for name in ("roberta", "xlm-roberta", "camembert")},
    "distilbert": {**IDS, "dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 44, "max_position_embeddings": 64},
    **dict.fromkeys(("bart", "mbart", "marian", "pegasus"), BART),
    **dict.fromkeys(("t5", "mt5"), T5),
}
"""A small config of each family."""

WRONG = (None, [], [1, 2], -1, 0, 2, 0.5, 10**12, 1e30, "strange", {}, True, False)
"""Values that some field takes, and most do not."""
ACTIVATIONS = "silu swish gelu gelu_new gelu_fast gelu_python gelu_pytorch_tanh quick_gelu relu relu2 tanh mish linear"
LONG = {"short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [2.0, 2.1, 2.2, 2.3]}
BANDS = {"factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
FULL, SLIDING = "full_attention", "sliding_attention"
PLAIN, LINEAR = {"rope_type": "default", "rope_theta": 77.0}, {"rope_type": "linear", "factor": 2.0, "rope_theta": 99.0}
SCALINGS: list[Any] = [
    {"type": "linear", "factor": 2.0},
    {"rope_type": "linear", "factor": 2},
    {"rope_type": "dynamic", "factor": 2.0},
    {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
    {"rope_type": "yarn", "factor": 4.0, "mscale": 0.7, "mscale_all_dim": 0.5},
    {"rope_type": "yarn", "factor": 4.0, "attention_factor": 1.3, "beta_fast": 8, "truncate": False},
    {"rope_type": "llama3", **BANDS, "original_max_position_embeddings": 16},
    {"rope_type": "llama3", **BANDS},
    {"rope_type": "longrope", **LONG, "original_max_position_embeddings": 16},
    {"type": "su", **LONG},
    {"rope_type": "default"},
    {"factor": 2.0},
    {"type": None},
    {"rope_type": ["linear"]},
    {"rope_type": "linear", "factor": "x"},
    {},
    [],
    "linear",
    5,
]
YEARS: dict[str, list[Any]] = {
    "rope_theta": [500000, 5e5, 123.4, None, "a", 0, 1],
    "rope_scaling": [None, *SCALINGS],
    "rope_parameters": [
        PLAIN,
        LINEAR,
        {**PLAIN, "partial_rotary_factor": 0.5},
        {**PLAIN, "strange": 1},
        {"rope_theta": None},
        {FULL: PLAIN, SLIDING: LINEAR},
        {FULL: None, SLIDING: PLAIN},
        {SLIDING: PLAIN},
        *SCALINGS,
    ],
    "partial_rotary_factor": [0.5, 0.9, 1.0, None, 0, 2, "a"],
    "original_max_position_embeddings": [16, None, "a"],
    "rope_local_base_freq": [77.0, None],
    "global_rope_theta": [777.0, None],
    "local_rope_theta": [77.0],
    "layer_types": [[SLIDING, FULL] * 2, [FULL] * 4, [SLIDING] * 4, ["chunked_attention"] * 4, [FULL] * 3],
    "sliding_window_pattern": [1, 2, 3, 0, None],
    "global_attn_every_n_layers": [1, 2, 0],
    "no_rope_layers": [[1, 0, 1, 0], [0] * 4, [1, 1], [0] * 6],
    "use_sliding_window": [True],
    "max_window_layers": [2, 0],
    "use_bidirectional_attention": [True],
    "num_attention_heads": [2, 8, 3],
    "hidden_size": [48],
    "num_hidden_layers": [1, 2, 3],
    "head_dim": [16, 6, 5],
    "position_embedding_type": ["absolute", "relative_key", "relative_key_query"],
    "type_vocab_size": [0, 1, 3],
    "feed_forward_proj": ["gated-silu", "silu", "gelu", "gated-gelu", "gated-relu", "x-y"],
    "dense_act_fn": ["silu", "gelu", "strange"],
    "is_gated_act": [True, False],
    "tie_word_embeddings": [True, False, None],
    "scale_decoder_outputs": [True, False],
    "share_encoder_decoder_embeddings": [False],
    "decoder_vocab_size": [77],
    "static_position_embeddings": [True, False],
    "normalize_before": [True, False],
    "normalize_embedding": [True, False],
    "per_layer_config": [{"1": {"sliding_window": 3}}],
    "pruned_heads": [{}, {"0": [1]}],
    "quantization_config": [None, {"quant_method": "gptq"}],
    "n_ctx": [7],
    "num_labels": [3],
    "task_specific_params": [{"summarization": {"num_beams": 4}}],
    "num_beams": [4],
}
"""Keys of other years and other classes, and further values of keys that a class has."""
RUN = {
    "architectures",
    "transformers_version",
    "output_hidden_states",
    "return_dict",
    "dtype",
    "is_encoder_decoder",
    "id2label",
    "label2id",
    "problem_type",
}
"""Fields that say how a pass is run or what it returns: the oracle needs them as they are."""


def fields(family: str, stock: type) -> dict[str, Any]:
    """Return the fields of a stock config class that may change its logits, each with its value in our small config."""
    found = {one.name: one.default for one in dataclasses.fields(stock) if one.name not in RUN}
    return found | {name: value for name, value in BASES[family].items() if name in found}


def others(family: str, stock: type) -> list[tuple[str, Any]]:
    """Return (key, value) of each field that is a number or a switch: half of it, a smaller one, the other one."""
    found: list[tuple[str, Any]] = []
    for name, value in fields(family, stock).items():
        if isinstance(value, bool):
            found.append((name, not value))
        elif isinstance(value, int) and value > 1:
            found.append((name, value // 2))
        elif isinstance(value, float):
            found.append((name, 0.06 * value + 0.001))
    return found


def variants(family: str, stock: type) -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of a stock config class: each field with every wrong value, and the keys of other years."""
    known = fields(family, stock)
    for name in dict.fromkeys([*known, *stock.attribute_map, *YEARS]):
        values = [*YEARS.get(name, []), *(WRONG if name in known else ())]
        if name in ("hidden_act", "hidden_activation", "activation_function", "activation"):
            values += ACTIVATIONS.split()
        yield from ((name, json.loads(one)) for one in dict.fromkeys(map(json.dumps, values)))


def draw(family: str, stock: type, count: int) -> list[tuple[str, Any]]:
    """Return so many variants of a family, drawn by its name."""
    return random.Random(family).sample(list(variants(family, stock)), count)
