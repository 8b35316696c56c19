"""Stock configurations with one key changed: what people write, what other years wrote, and what is wrong."""

from typing import Any

transformers_missing = "transformers is the oracle of these tests"
Tree = dict[str, Any]

IDS = {"vocab_size": 101, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
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
