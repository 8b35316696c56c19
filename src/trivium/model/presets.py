"""Named sets of choices, each numerically identical to a stock Hugging Face class, each with one size dial.

`depth` sets layers = depth, heads = depth, hidden_size = 64 * depth; any field given beside it wins. What is
derived from another field (a feed-forward width, a head's width) follows the field that was given.
"""

from collections.abc import Callable
from typing import Any

from pydantic_core import PydanticCustomError

from trivium.base.config import merge

Tree = dict[str, Any]

PRESETS: dict[str, Callable[[], Tree]] = {}
DEFAULT_DEPTH = 12


def preset(name: str) -> Callable[[Callable[[], Tree]], Callable[[], Tree]]:
    """Register a function that returns a preset's tree."""
    return lambda build: PRESETS.setdefault(name, build)


@preset("gpt2")
def gpt2() -> Tree:
    """GPT-2: pre-LayerNorm, learned positions, GELU, causal, biases, tied (Radford et al. 2019)."""
    return {
        "vocab_size": 50257,
        "context": 1024,
        "tie": True,
        "decoder": {
            "norm": {"kind": "layer", "eps": 1e-5},
            "ffn": {"kind": "mlp", "activation": "gelu_tanh"},
            "position": [{"kind": "learned"}],
            "pattern": ["causal"],
            "residual": "pre",
            "bias": True,
        },
    }


@preset("llama")
def llama() -> Tree:
    """LLaMA: pre-RMSNorm, RoPE, SwiGLU, causal, no bias, no dropout (Touvron et al. 2023, arXiv:2302.13971)."""
    return {
        "vocab_size": 32000,
        "context": 2048,
        "tie": False,
        "decoder": {
            "norm": {"kind": "rms", "eps": 1e-6},
            "ffn": {"kind": "glu", "activation": "silu"},
            "position": [{"kind": "rope"}],
            "pattern": ["causal"],
            "residual": "pre",
            "bias": False,
        },
    }


@preset("llama3")
def llama3() -> Tree:
    """Llama 3.1: LLaMA with slow rotations that are stretched to a long context (arXiv:2407.21783)."""
    rope = {"kind": "rope", "theta": 500000.0, "scaling": "llama3"}
    decoder = {"norm": {"eps": 1e-5}, "position": [rope]}
    return merge(llama(), {"vocab_size": 128256, "context": 131072, "decoder": decoder})


@preset("mistral")
def mistral() -> Tree:
    """Mistral: LLaMA with a window (Jiang et al. 2023, arXiv:2310.06825)."""
    return merge(llama(), {"context": 32768, "decoder": {"pattern": [{"kind": "window", "size": 4096}]}})


@preset("qwen2")
def qwen2() -> Tree:
    """Qwen2 and 2.5: LLaMA with biases on queries, keys and values (Yang et al. 2024, arXiv:2407.10671)."""
    decoder = {"position": [{"kind": "rope", "theta": 1e6}], "bias": True, "output_bias": False}
    return merge(llama(), {"vocab_size": 151936, "context": 32768, "tie": True, "decoder": decoder})


@preset("qwen3")
def qwen3() -> Tree:
    """Qwen3: LLaMA with normalised queries and keys (Yang et al. 2025, arXiv:2505.09388)."""
    decoder = {"position": [{"kind": "rope", "theta": 1e6}], "qk_norm": {"kind": "rms", "eps": 1e-6}}
    return merge(llama(), {"vocab_size": 151936, "context": 32768, "tie": True, "decoder": decoder})


@preset("phi3")
def phi3() -> Tree:
    """Phi-3: LLaMA whose stock class fuses matrices (Abdin et al. 2024, arXiv:2404.14219)."""
    return merge(llama(), {"vocab_size": 32064, "context": 4096, "decoder": {"norm": {"eps": 1e-5}}})


@preset("smollm3")
def smollm3() -> Tree:
    """SmolLM3: LLaMA without positions in every fourth layer (Yang et al. 2025, arXiv:2501.18795)."""
    rope = {"kind": "rope", "theta": 2e6}
    decoder = {"position": [rope, rope, rope, "none"]}
    return merge(llama(), {"vocab_size": 128256, "context": 32768, "tie": True, "decoder": decoder})


@preset("olmo2")
def olmo2() -> Tree:
    """OLMo 2: LLaMA with norms after its sublayers and over all heads (Walsh et al. 2025, arXiv:2501.00656)."""
    residual = {"kind": "sandwich", "before": False}
    decoder = {"norm": {"eps": 1e-5}, "qk_norm": {"kind": "rms_joint", "eps": 1e-5}, "residual": residual}
    return merge(llama(), {"vocab_size": 50304, "decoder": decoder})


@preset("gemma2")
def gemma2() -> Tree:
    """Gemma 2: norms on both sides, capped scores, a window in every other layer (arXiv:2408.00118)."""
    decoder = {
        "norm": {"offset": 1.0},
        "ffn": {"activation": "gelu_tanh"},
        "pattern": [{"kind": "window", "size": 4096}, "causal"],
        "residual": "sandwich",
        "softcap": 50.0,
    }
    above = {"vocab_size": 256000, "context": 8192, "tie": True, "embed": {"kind": "tokens", "scale": True}}
    return merge(llama(), {**above, "decoder": decoder, "head": {"kind": "lm", "softcap": 30.0}})


@preset("gemma3_text")
def gemma3_text() -> Tree:
    """Gemma 3: Gemma 2 with normalised queries and keys in place of caps, five windows to a full layer
    (arXiv:2503.19786)."""
    near, far = {"kind": "rope", "theta": 1e4}, {"kind": "rope", "theta": 1e6}
    decoder = {
        "position": [near] * 5 + [far],
        "pattern": [{"kind": "window", "size": 4096}] * 5 + ["causal"],
        "qk_norm": {"kind": "rms", "eps": 1e-6, "offset": 1.0},
        "softcap": None,
    }
    return merge(gemma2(), {"vocab_size": 262208, "context": 131072, "decoder": decoder, "head": {"softcap": None}})


@preset("bert")
def bert() -> Tree:
    """BERT: post-LayerNorm, learned positions, token types, GELU (Devlin et al. 2018, arXiv:1810.04805)."""
    norm = {"kind": "layer", "eps": 1e-12}
    return {
        "vocab_size": 30522,
        "context": 512,
        "tie": True,
        "embed": {"kind": "tokens", "types": 2, "norm": norm},
        "encoder": {
            "norm": norm,
            "ffn": {"kind": "mlp", "activation": "gelu"},
            "position": [{"kind": "learned"}],
            "pattern": ["full"],
            "residual": "post",
            "bias": True,
        },
        "head": {"kind": "mlm", "activation": "gelu", "norm": norm},
    }


@preset("roberta")
def roberta() -> Tree:
    """RoBERTa: BERT with one token type, its position table after the padding id (Liu et al. 2019, arXiv:1907.11692).

    The stock class counts positions from the padding id + 1: with the 0 of our tokenizers that is 1.
    """
    norm = {"norm": {"eps": 1e-5}}
    encoder = {**norm, "position": [{"kind": "learned", "offset": 1}]}
    return merge(bert(), {"vocab_size": 50265, "embed": {"types": 1, **norm}, "encoder": encoder, "head": norm})


@preset("distilbert")
def distilbert() -> Tree:
    """DistilBERT: BERT without token types (Sanh et al. 2019, arXiv:1910.01108)."""
    return merge(bert(), {"embed": {"types": 0}})


@preset("eurobert")
def eurobert() -> Tree:
    """EuroBERT: LLaMA that looks both ways, with its head (Boizard et al. 2025, arXiv:2503.05500)."""
    encoder = {**llama()["decoder"], "norm": {"kind": "rms", "eps": 1e-5}, "pattern": ["full"]}
    return {"vocab_size": 128256, "context": 8192, "tie": False, "encoder": encoder, "head": "lm"}


@preset("modernbert")
def modernbert() -> Tree:
    """ModernBERT: pre-norm, RoPE, GEGLU, no biases, two windows to a global layer (arXiv:2412.13663)."""
    norm = {"kind": "layer", "eps": 1e-5, "bias": False}
    near, far = {"kind": "rope", "theta": 10000.0}, {"kind": "rope", "theta": 160000.0}
    window = {"kind": "window", "size": 65, "both": True}  # 64 to each side and oneself
    return {
        "vocab_size": 50368,
        "context": 8192,
        "tie": True,
        "embed": {"kind": "tokens", "norm": norm},
        "encoder": {
            "norm": norm,
            "ffn": {"kind": "glu", "activation": "gelu"},
            "position": [far, near, near],
            "pattern": ["full", window, window],
            "residual": {"kind": "pre", "first": False},
            "bias": False,
        },
        "head": {"kind": "mlm", "activation": "gelu", "norm": norm, "dense_bias": False},
    }


@preset("t5")
def t5() -> Tree:
    """T5: pre-RMSNorm, distances in buckets, unscaled scores, ReLU, tied (Raffel et al. 2019, arXiv:1910.10683)."""
    stack = {
        "norm": {"kind": "rms", "eps": 1e-6},
        "ffn": {"kind": "mlp", "activation": "relu", "bias": False},
        "residual": "pre",
        "bias": False,
        "score_scale": 1.0,
    }
    return {
        "vocab_size": 32128,
        "context": 512,
        "tie": True,
        "encoder": {**stack, "position": [{"kind": "bucket", "bidirectional": True}], "pattern": ["full"]},
        "decoder": {**stack, "position": [{"kind": "bucket"}], "pattern": ["causal"]},
        "head": {"kind": "lm", "scale": True},
        "init": "fan_in",
    }


@preset("t5-v1.1")
def t5_gated() -> Tree:
    """T5 v1.1 and FLAN-T5: GEGLU and a head of its own (Shazeer 2020, arXiv:2002.05202)."""
    gated = {"ffn": {"kind": "glu", "activation": "gelu_tanh", "bias": False}}
    return merge(t5(), {"tie": False, "encoder": gated, "decoder": gated, "head": {"scale": False}})


@preset("bart")
def bart() -> Tree:
    """BART: post-LayerNorm, learned positions, GELU, tied (Lewis et al. 2019, arXiv:1910.13461)."""
    norm = {"kind": "layer", "eps": 1e-5}
    stack = {
        "norm": norm,
        "ffn": {"kind": "mlp", "activation": "gelu"},
        "position": [{"kind": "learned", "offset": 2}],
        "residual": "post",
        "bias": True,
    }
    return {
        "vocab_size": 50265,
        "context": 1024,
        "tie": True,
        "embed": {"kind": "tokens", "norm": norm},
        "encoder": {**stack, "pattern": ["full"]},
        "decoder": {**stack, "pattern": ["causal"]},
        "head": {"kind": "lm", "bias": True},
    }


@preset("mbart")
def mbart() -> Tree:
    """mBART: BART with pre-norm and scaled embeddings (Liu et al. 2020, arXiv:2001.08210)."""
    pre = {"residual": "pre"}
    return merge(bart(), {"vocab_size": 250027, "embed": {"scale": True}, "encoder": pre, "decoder": pre})


@preset("marian")
def marian() -> Tree:
    """Marian: BART with sinusoids and no norm of embeddings (Junczys-Dowmunt et al. 2018, arXiv:1804.00344)."""
    fixed = {"position": [{"kind": "sinusoid", "paper": True}]}
    embed = {"scale": True, "norm": "none"}
    return merge(bart(), {"vocab_size": 58101, "embed": embed, "encoder": fixed, "decoder": fixed})


@preset("pegasus")
def pegasus() -> Tree:
    """PEGASUS: Marian with pre-norm (Zhang et al. 2019, arXiv:1912.08777)."""
    pre = {"residual": "pre"}
    return merge(marian(), {"vocab_size": 96103, "encoder": pre, "decoder": pre})


def expand(data: Tree) -> tuple[Tree, Tree]:
    """Split a model tree that names a preset into the preset's tree, at its size, and the fields laid over it."""
    name = data["preset"]
    if name not in PRESETS:
        known = {"name": str(name), "known": ", ".join(PRESETS)}
        raise PydanticCustomError("kind", "unknown preset '{name}'; known: {known}", known)
    above = dict(data)
    depth = above.pop("depth", DEFAULT_DEPTH)
    if not isinstance(depth, int) or depth < 1:
        found = {"found": repr(depth)}
        raise PydanticCustomError("kind", "depth: expected a whole number above 0, found {found}", found)
    below = PRESETS[name]()
    below["hidden_size"] = 64 * depth
    for stack in ("encoder", "decoder"):
        if stack in below:
            below[stack] = {"layers": depth, "heads": depth, **below[stack]}
    return below, above
