"""The size of a KV cache: bytes per token and at 4,096 tokens, computed from the configs.

    python bench/cache.py

Every layer keeps a key and a value of each token for each of its key/value heads. A layer with a window keeps its
window, in a buffer of twice the size, so that the past is moved once per window of steps. bfloat16, one row.
"""

import torch

from trivium.base.config import parse
from trivium.model.attention.cache import RollingBuffer
from trivium.model.config import ModelConfig

CONTEXT, BYTES, EMPTY = 4096, 2, torch.empty(1, 0)
MODELS = {
    "LLaMA-2-7B": {"hidden_size": 4096, "decoder": {"layers": 32, "heads": 32}},
    "Llama-3-8B": {"hidden_size": 4096, "decoder": {"layers": 32, "heads": 32, "kv_heads": 8}},
    "llama, depth 6": {"depth": 6},
}
WINDOW = {"kind": "window", "size": 256}


def weight(config: ModelConfig, tokens: int) -> int:
    """Return the bytes of keys and values that the decoder holds for a row of `tokens`."""
    stack = config.decoder
    assert stack is not None
    pair = 2 * (stack.kv_heads or stack.heads) * stack.head_width(config.hidden_size) * BYTES
    return sum(pair * RollingBuffer(EMPTY, 1, tokens, stack.kind(layer)[0].keep).size for layer in range(stack.layers))


def with_decoder(tree: dict, **changes: object) -> ModelConfig:
    """Return a preset with some fields of its decoder replaced."""
    decoder = {**tree.get("decoder", {}), **changes}
    return parse(ModelConfig, {"preset": "llama", "vocab_size": 32000, **tree, "decoder": decoder})


if __name__ == "__main__":
    print(f"| model | heads of keys | a token | {CONTEXT:,} tokens | every layer a window of 256 | 3 of 4 layers |")
    print("|---|---|--:|--:|--:|--:|")
    for name, tree in MODELS.items():
        heads = with_decoder(tree).decoder.heads  # type: ignore[union-attr]
        native = with_decoder(tree).decoder.kv_heads or heads  # type: ignore[union-attr]
        for kind, kv_heads in (("MHA", heads), ("GQA", heads // 4 if heads % 4 == 0 else heads // 3), ("MQA", 1)):
            whole = with_decoder(tree, kv_heads=kv_heads)
            columns = [
                weight(with_decoder(tree, kv_heads=kv_heads, pattern=pattern), CONTEXT) / 2**20
                for pattern in ("causal", WINDOW, [WINDOW, WINDOW, WINDOW, "causal"])
            ]
            mark = " (as released)" if name[0] == "L" and kv_heads == native else ""
            cells = " | ".join(f"{value:,.1f} MB" for value in columns)
            print(f"| {name} | {kind}: {kv_heads}{mark} | {weight(whole, 1):,} B | {cells} |")
