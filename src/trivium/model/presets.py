"""Named sets of choices, each numerically identical to a stock Hugging Face class, each with one size dial.

`depth` sets layers = depth, heads = depth, hidden_size = 64 * depth; any field given beside it wins. What is
derived from another field (a feed-forward width, a head's width) follows the field that was given.
"""

from typing import Any

from trivium.base.config import merge

Tree = dict[str, Any]

PRESETS: dict[str, Tree] = {}
DEFAULT_DEPTH = 12


def tree(below: str = "", **fields: Any) -> Tree:
    """Return a tree of these fields, over those of the preset `below`, if there is one."""
    return merge(PRESETS[below], fields) if below else fields  # type: ignore[no-any-return]


def rope(theta: float, **fields: Any) -> Tree:
    """Return rotary positions of another theta."""
    return {"kind": "rope", "theta": theta, **fields}


# GPT-2: pre-LayerNorm, learned positions, GELU, causal, biases, tied (Radford et al. 2019).
GELU_TANH = {"kind": "mlp", "activation": "gelu_tanh"}
GPT = tree(norm="layer", ffn=GELU_TANH, position=["learned"], pattern=["causal"], residual="pre", bias=True)
PRESETS["gpt2"] = tree(vocab_size=50257, context=1024, tie=True, decoder=GPT)

# LLaMA: pre-RMSNorm, RoPE, SwiGLU, causal, no bias, no dropout (Touvron et al. 2023, arXiv:2302.13971).
LLAMA = tree(norm="rms", ffn="glu", position=["rope"], pattern=["causal"], residual="pre", bias=False)
PRESETS["llama"] = tree(vocab_size=32000, context=2048, tie=False, decoder=LLAMA)

# Llama 3.1: LLaMA with slow rotations that are stretched to a long context (arXiv:2407.21783).
LLAMA3 = {"norm": {"eps": 1e-5}, "position": [rope(5e5, scaling="llama3")]}
PRESETS["llama3"] = tree("llama", vocab_size=128256, context=131072, decoder=LLAMA3)

# Mistral: LLaMA with a window (Jiang et al. 2023, arXiv:2310.06825).
WINDOW = {"kind": "window", "size": 4096}
PRESETS["mistral"] = tree("llama", context=32768, decoder={"pattern": [WINDOW]})

# Ministral: Mistral whose layers have a window or none, three to one.
PRESETS["ministral"] = tree("mistral", context=131072, decoder={"pattern": ["causal"] + [WINDOW] * 3})

# Qwen2 and 2.5: LLaMA with biases on queries, keys and values (Yang et al. 2024, arXiv:2407.10671).
QWEN2 = {"position": [rope(1e6)], "bias": True, "output_bias": False}
PRESETS["qwen2"] = tree("llama", vocab_size=151936, context=32768, tie=True, decoder=QWEN2)

# Qwen3: LLaMA with normalised queries and keys (Yang et al. 2025, arXiv:2505.09388).
QWEN3 = {"position": [rope(1e6)], "qk_norm": "rms"}
PRESETS["qwen3"] = tree("llama", vocab_size=151936, context=32768, tie=True, decoder=QWEN3)

# Phi-3: LLaMA whose stock class fuses matrices (Abdin et al. 2024, arXiv:2404.14219).
PRESETS["phi3"] = tree("llama", vocab_size=32064, context=4096, decoder={"norm": {"eps": 1e-5}})

# SmolLM3: LLaMA without positions in every fourth layer (Yang et al. 2025, arXiv:2501.18795).
SMOLLM3 = {"position": [rope(2e6)] * 3 + ["none"]}
PRESETS["smollm3"] = tree("llama", vocab_size=128256, context=32768, tie=True, decoder=SMOLLM3)

# OLMo 2: LLaMA with norms after its sublayers and over all heads (Walsh et al. 2025, arXiv:2501.00656).
OLMO2: Tree = {"norm": {"eps": 1e-5}, "qk_norm": {"kind": "rms_joint", "eps": 1e-5}}
OLMO2 |= {"residual": {"kind": "sandwich", "before": False}}
PRESETS["olmo2"] = tree("llama", vocab_size=50304, decoder=OLMO2)

# Gemma 2: norms on both sides, capped scores, a window in every other layer (arXiv:2408.00118).
GEMMA2: Tree = {"norm": {"offset": 1.0}, "ffn": {"activation": "gelu_tanh"}, "residual": "sandwich", "softcap": 50.0}
PRESETS["gemma2"] = tree(
    "llama",
    vocab_size=256000,
    context=8192,
    tie=True,
    embed={"kind": "tokens", "scale": True},
    decoder={**GEMMA2, "pattern": [WINDOW, "causal"]},
    head={"kind": "lm", "softcap": 30.0},
)

# Gemma 3: Gemma 2 with normalised queries and keys in place of caps, five windows to a full layer (arXiv:2503.19786).
GEMMA3: Tree = {"position": [rope(1e4)] * 5 + [rope(1e6)], "pattern": [WINDOW] * 5 + ["causal"], "softcap": None}
GEMMA3 |= {"qk_norm": {"kind": "rms", "offset": 1.0}}
PRESETS["gemma3_text"] = tree("gemma2", vocab_size=262208, context=131072, decoder=GEMMA3, head={"softcap": None})

# BERT: post-LayerNorm, learned positions, token types, GELU (Devlin et al. 2018, arXiv:1810.04805).
BERT_NORM = {"kind": "layer", "eps": 1e-12}
BERT = tree(norm=BERT_NORM, ffn="mlp", position=["learned"], pattern=["full"], residual="post", bias=True)
PRESETS["bert"] = tree(vocab_size=30522, context=512, tie=True, encoder=BERT)
PRESETS["bert"] |= {
    "embed": {"kind": "tokens", "types": 2, "norm": BERT_NORM},
    "head": {"kind": "mlm", "norm": BERT_NORM},
}

# RoBERTa: BERT with one token type, its position table after the padding id (Liu et al. 2019, arXiv:1907.11692).
# The stock class counts positions from the padding id + 1: with the 0 of our tokenizers that is 1.
EPS = {"norm": {"eps": 1e-5}}
ROBERTA = {**EPS, "position": [{"kind": "learned", "offset": 1}]}
PRESETS["roberta"] = tree("bert", vocab_size=50265, embed={"types": 1, **EPS}, encoder=ROBERTA, head=EPS)

# XLM-RoBERTa and CamemBERT: RoBERTa under other names (arXiv:1911.02116, arXiv:1911.03894).
PRESETS["xlm-roberta"] = tree("roberta", vocab_size=250002)
PRESETS["camembert"] = tree("roberta", vocab_size=32005)

# DistilBERT: BERT without token types (Sanh et al. 2019, arXiv:1910.01108).
PRESETS["distilbert"] = tree("bert", embed={"types": 0})

# EuroBERT: LLaMA that looks both ways, with its head (Boizard et al. 2025, arXiv:2503.05500).
EUROBERT = merge(LLAMA, {"norm": {"eps": 1e-5}, "pattern": ["full"]})
PRESETS["eurobert"] = tree(vocab_size=128256, context=8192, tie=False, encoder=EUROBERT, head="lm")

# ModernBERT: pre-norm, RoPE, GEGLU, no biases, two windows to a global layer (arXiv:2412.13663).
PLAIN_NORM = {"kind": "layer", "bias": False}
NEAR = {"kind": "window", "size": 65, "both": True}  # 64 to each side and oneself
MODERN: Tree = {
    "norm": PLAIN_NORM,
    "ffn": {"kind": "glu", "activation": "gelu"},
    "residual": {"kind": "pre", "first": False},
    "bias": False,
}
MODERN |= {"position": [rope(160000.0), "rope", "rope"], "pattern": ["full", NEAR, NEAR]}
PRESETS["modernbert"] = tree(vocab_size=50368, context=8192, tie=True, encoder=MODERN)
PRESETS["modernbert"] |= {"embed": {"kind": "tokens", "norm": PLAIN_NORM}}
PRESETS["modernbert"] |= {"head": {"kind": "mlm", "norm": PLAIN_NORM, "dense_bias": False}}

# T5: pre-RMSNorm, distances in buckets, unscaled scores, ReLU, tied (Raffel et al. 2019, arXiv:1910.10683).
RELU = {"kind": "mlp", "activation": "relu", "bias": False}
T5 = tree(norm="rms", ffn=RELU, residual="pre", bias=False, score_scale=1.0)
PRESETS["t5"] = tree(vocab_size=32128, context=512, tie=True, head={"kind": "lm", "scale": True}, init="fan_in")
PRESETS["t5"] |= {
    "encoder": {**T5, "position": [{"kind": "bucket", "bidirectional": True}], "pattern": ["full"]},
    "decoder": {**T5, "position": ["bucket"], "pattern": ["causal"]},
}

# T5 v1.1 and FLAN-T5: GEGLU and a head of its own (Shazeer 2020, arXiv:2002.05202).
GATED = {"ffn": {"kind": "glu", "activation": "gelu_tanh"}}
PRESETS["t5-v1.1"] = tree("t5", tie=False, encoder=GATED, decoder=GATED, head={"scale": False})

# mT5: T5 v1.1 of many languages (Xue et al. 2021, arXiv:2010.11934).
PRESETS["mt5"] = tree("t5-v1.1", vocab_size=250112)

# BART: post-LayerNorm, learned positions, GELU, tied (Lewis et al. 2019, arXiv:1910.13461).
BART = tree(norm="layer", ffn="mlp", position=[{"kind": "learned", "offset": 2}], residual="post", bias=True)
PRESETS["bart"] = tree(vocab_size=50265, context=1024, tie=True, head={"kind": "lm", "bias": True, "fixed_bias": True})
PRESETS["bart"] |= {"embed": {"kind": "tokens", "norm": "layer"}}
PRESETS["bart"] |= {"encoder": {**BART, "pattern": ["full"]}, "decoder": {**BART, "pattern": ["causal"]}}

# mBART: BART with pre-norm and scaled embeddings (Liu et al. 2020, arXiv:2001.08210).
PRE = {"residual": "pre"}
PRESETS["mbart"] = tree("bart", vocab_size=250027, embed={"scale": True}, encoder=PRE, decoder=PRE)

# Marian: BART with sinusoids and no norm of embeddings (Junczys-Dowmunt et al. 2018, arXiv:1804.00344).
FIXED = {"position": ["sinusoid"]}
PRESETS["marian"] = tree("bart", vocab_size=58101, embed={"scale": True, "norm": "none"}, encoder=FIXED, decoder=FIXED)

# PEGASUS: Marian with pre-norm (Zhang et al. 2019, arXiv:1912.08777).
PRESETS["pegasus"] = tree("marian", vocab_size=96103, encoder=PRE, decoder=PRE)

# ViT: pre-LayerNorm, GELU, a picture of 14 x 14 patches and a class token (Dosovitskiy et al. 2020, arXiv:2010.11929).
VIT = tree(norm=BERT_NORM, ffn="mlp", position=["learned"], pattern=["full"], residual="pre", bias=True)
VIT |= {"embed": {"kind": "patches"}}
PRESETS["vit"] = tree(vocab_size=0, context=197, tie=False, encoder=VIT, head="none")

# ViT and GPT-2 with cross-attention, a pair that writes captions (stock: VisionEncoderDecoderModel).
PRESETS["vit-gpt2"] = tree("gpt2", encoder=VIT)

# TrOCR: ViT and BART's decoder, which attends to the encoder's own width (Li et al. 2021, arXiv:2109.10282).
PRESETS["trocr"] = tree(vocab_size=50265, context=512, tie=True, project=False, embed=PRESETS["bart"]["embed"])
PRESETS["trocr"] |= {"encoder": VIT, "decoder": PRESETS["bart"]["decoder"]}

# SigLIP: ViT without a class token, the eyes of many models (Zhai et al. 2023, arXiv:2303.15343).
SIGLIP: Tree = {"norm": {"eps": 1e-6}, "ffn": GELU_TANH, "embed": {"kind": "patches", "class_token": False}}
PRESETS["siglip_vision_model"] = tree("vit", context=196, encoder=SIGLIP)

# PaliGemma 2: SigLIP, whose states are the first tokens of Gemma 2 and see each other (arXiv:2412.03555).
SEEN = [{"kind": "or", "of": [WINDOW, "inside"]}, "prefix"]
EYES = PRESETS["siglip_vision_model"]["encoder"]
PRESETS["paligemma2"] = tree("gemma2", vocab_size=257216, project=True, encoder=EYES)
PRESETS["paligemma2"] = tree("paligemma2", decoder={"cross": False, "pattern": SEEN})


def expand(data: Tree) -> tuple[Tree, Tree]:
    """Split a model tree that names a preset into the preset's tree, at its size, and the fields laid over it."""
    name = data["preset"]
    if name not in PRESETS:
        raise ValueError(f"unknown preset '{name}'; known: {', '.join(PRESETS)}")
    above = dict(data)
    depth = above.pop("depth", DEFAULT_DEPTH)
    if not isinstance(depth, int) or depth < 1:
        raise ValueError(f"depth: expected a whole number above 0, found {depth!r}")
    below: Tree = {**PRESETS[name], "hidden_size": 64 * depth}
    for stack in below.keys() & {"encoder", "decoder"}:
        below[stack] = {"layers": depth, "heads": depth, **below[stack]}
    return below, above
