"""T5ForConditionalGeneration: T5 (ReLU, tied, scaled head) and T5 v1.1 or FLAN (gated, with a head of its own).

The stock class scales the head exactly where `tie_word_embeddings` is not false. Version 5 writes true for both and
says `scale_decoder_outputs` besides; we read either and write what versions 4 and 5 read alike.
"""

from collections.abc import Mapping
from typing import Any

from trivium.base.errors import ModelError
from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, Entry, Form, Key, Ours, Token, Tree, Unread
from trivium.interop.rules import Copy, Drop, Rule, Table, each
from trivium.model.config import ModelConfig
from trivium.model.layer.ffn import GLU


class Layers(Entry):
    """Both depths; a decoder of no given depth is as deep as the encoder."""

    def defaults(self) -> Tree:
        return {"num_layers": 6, "num_decoder_layers": None}

    def read(self, theirs: Mapping[str, Any]) -> Tree:
        encoder, decoder = theirs["num_layers"], theirs["num_decoder_layers"]
        return {"encoder.layers": encoder, "decoder.layers": encoder if decoder is None else decoder}

    def write(self, ours: Ours) -> Tree:
        return {"num_layers": ours.get("encoder.layers"), "num_decoder_layers": ours.get("decoder.layers")}


class Tie(Entry):
    """A tied head is scaled, and only a tied one."""

    def defaults(self) -> Tree:
        return {"tie_word_embeddings": True, "scale_decoder_outputs": None}

    def read(self, theirs: Mapping[str, Any]) -> Tree:
        tie = theirs["tie_word_embeddings"] and theirs["scale_decoder_outputs"] is not False
        return {"tie": tie, "head.scale": tie}

    def write(self, ours: Ours) -> Tree:
        tie = ours.config.tie
        if (scale := ours.get("head.scale", tie)) != tie:
            raise ModelError(f"head.scale: {scale}, {ours.architecture} has {tie} with tie = {tie}")
        return {"tie_word_embeddings": tie}


def _read_ffn(name: str) -> Tree:
    word = name.removeprefix("gated-")
    activation = "gelu_tanh" if name == "gated-gelu" else ACTIVATION.read(word)
    return {"kind": "mlp" if word == name else "glu", "activation": activation, "bias": False}


def _write_ffn(ffn: Tree) -> str:
    word = ACTIVATION.write(ffn["activation"])
    return word if ffn["kind"] != "glu" else "gated-gelu" if word == "gelu_new" else f"gated-{word}"


BUCKET = {
    "num_buckets": ("relative_attention_num_buckets", 32),
    "max_distance": ("relative_attention_max_distance", 128),
}


class Buckets(Entry):
    """The buckets of distances, which look both ways in the encoder."""

    def defaults(self) -> Tree:
        return dict(BUCKET.values())

    def read(self, theirs: Mapping[str, Any]) -> Tree:
        bucket = {"kind": "bucket", **{ours: theirs[key] for ours, (key, _) in BUCKET.items()}}
        return {"encoder.position": [{**bucket, "bidirectional": True}], "decoder.position": [bucket]}

    def write(self, ours: Ours) -> Tree:
        return {key: ours.get(f"encoder.position.0.{field}", default) for field, (key, default) in BUCKET.items()}


KEYS = [
    Key("vocab_size", 32128, "vocab_size"),
    Key("d_model", 512, "hidden_size"),
    Key("d_kv", 64, "*.head_size"),
    Key("feed_forward_proj", "relu", "*.ffn", Form(_read_ffn, _write_ffn)),
    Key("d_ff", 2048, "*.ffn.size"),
    Layers(),
    Key("num_heads", 8, "*.heads"),
    Buckets(),
    Key("dropout_rate", 0.1, "*.dropout *.attention_dropout"),
    Key("layer_norm_epsilon", 1e-6, "*.norm.eps"),
    Key("n_positions", 512, "context"),
    Tie(),
    Token("decoder_start_token_id", "pad"),
    Unread("initializer_factor", "is_decoder", "dense_act_fn", "is_gated_act", "use_cache"),
]


def body(config: ModelConfig) -> Table:
    table: list[Rule] = [Rule("tokens.weight", "shared.weight")]
    for name, stack in config.stacks.items():
        ours, theirs = f"{name}.blocks.{{i}}", f"{name}.block.{{i}}.layer"
        words = {"attention": "SelfAttention", "cross": "EncDecAttention"}
        layer: list[Rule] = []
        attentions = ["attention"] + ["cross"] * (name == "decoder")
        for at, attention in enumerate(attentions):
            word = f"{theirs}.{at}.{words[attention]}"
            layer += [Rule(f"{ours}.{attention}.{part}.weight", f"{word}.{part}.weight") for part in "qkvo"]
        for at in range(len(attentions) + 1):
            layer.append(Rule(f"{ours}.residual.norms.{at}.weight", f"{theirs}.{at}.layer_norm.weight"))
        gated = {"gate": "wi_0", "up": "wi_1", "down": "wo"}
        parts = gated if isinstance(stack.ffn, GLU) else {"up": "wi", "down": "wo"}
        for part, word in parts.items():
            layer.append(Rule(f"{ours}.ffn.{part}.weight", f"{theirs}.{len(attentions)}.DenseReluDense.{word}.weight"))
        first = f"{name}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        table += [*each(stack.layers, layer), Rule(f"{name}.relative.0.table.weight", first)]
        table.append(Rule(f"{name}.norm.weight", f"{name}.final_layer_norm.weight"))
    # The first releases carry a bias for cross-attention that was never used.
    unused = Drop(r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight")
    return [*table, *(Copy(f"{name}.embed_tokens.weight", "shared.weight") for name in config.stacks), unused]


def head(config: ModelConfig) -> Table:
    return [Copy("lm_head.weight", "shared.weight") if config.tie else Rule("head.weight", "lm_head.weight")]


FAMILY = Family("T5ForConditionalGeneration", "t5", "", KEYS, body, head)
