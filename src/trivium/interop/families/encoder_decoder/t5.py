"""T5ForConditionalGeneration: T5 (ReLU, tied, scaled head) and T5 v1.1 or FLAN (gated, with a head of its own).

The stock class scales the head exactly where `tie_word_embeddings` is not false. Version 5 writes true for both and
says `scale_decoder_outputs` besides; we read either and write what versions 4 and 5 read alike.
"""

from trivium.base.errors import ModelError
from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, Entry, Form, Ours, Tree, key, token, unread
from trivium.interop.rules import Copy, Drop, Rule, Table, layers
from trivium.model.config import ModelConfig
from trivium.model.layer.ffn import GLU


def read_depth(theirs: Tree) -> Tree:
    """Return the depth of the decoder; if none is given, it is that of the encoder."""
    depth = theirs["num_decoder_layers"]
    return {"decoder.layers": theirs["num_layers"] if depth is None else depth}


def read_tie(theirs: Tree) -> Tree:
    """Return whether the head is tied: exactly then it is scaled."""
    tie = theirs["tie_word_embeddings"] and theirs["scale_decoder_outputs"] is not False
    return {"tie": tie, "head.scale": tie}


def write_tie(ours: Ours) -> Tree:
    """Return whether the head is tied; a ModelError if it is scaled differently."""
    tie = ours.config.tie
    if (scale := ours.get("head.scale", tie)) != tie:
        raise ModelError(f"head.scale: {scale}, {ours.architecture} has {tie} with tie = {tie}")
    return {"tie_word_embeddings": tie}


def read_ffn(name: str) -> Tree:
    """Return the feed-forward of a name such as `relu` or `gated-gelu`."""
    word = name.removeprefix("gated-")
    activation = "gelu_tanh" if name == "gated-gelu" else ACTIVATION.read(word)
    return {"kind": "mlp" if word == name else "glu", "activation": activation, "bias": False}


def write_ffn(ffn: Tree) -> str:
    """Return the name of a feed-forward."""
    word = ACTIVATION.write(ffn["activation"])
    return word if ffn["kind"] != "glu" else "gated-gelu" if word == "gelu_new" else f"gated-{word}"


BUCKETS, DISTANCE = "relative_attention_num_buckets", "relative_attention_max_distance"


def read_buckets(theirs: Tree) -> Tree:
    """Return the buckets of distances, which look both ways in the encoder."""
    bucket = {"kind": "bucket", "num_buckets": theirs[BUCKETS], "max_distance": theirs[DISTANCE]}
    return {"encoder.position": [{**bucket, "bidirectional": True}], "decoder.position": [bucket]}


def write_buckets(ours: Ours) -> Tree:
    """Return the keys of the buckets."""
    bucket = ours.get("encoder.position.0")
    return {BUCKETS: bucket.get("num_buckets", 32), DISTANCE: bucket.get("max_distance", 128)}


KEYS = [
    key("vocab_size", 32128, "vocab_size"),
    key("d_model", 512, "hidden_size"),
    key("d_kv", 64, "*.head_size"),
    key("feed_forward_proj", "relu", "*.ffn", Form(read_ffn, write_ffn)),
    key("d_ff", 2048, "*.ffn.size"),
    key("num_layers", 6, "encoder.layers"),
    Entry({"num_decoder_layers": None}, read_depth, lambda ours: {"num_decoder_layers": ours.get("decoder.layers")}),
    key("num_heads", 8, "*.heads"),
    Entry({BUCKETS: 32, DISTANCE: 128}, read_buckets, write_buckets),
    key("dropout_rate", 0.1, "*.dropout *.attention_dropout"),
    key("layer_norm_epsilon", 1e-6, "*.norm.eps"),
    key("n_positions", 512, "context"),
    Entry({"tie_word_embeddings": True, "scale_decoder_outputs": None}, read_tie, write_tie),
    token("decoder_start_token_id", "pad"),
    unread("initializer_factor", "is_decoder", "dense_act_fn", "is_gated_act", "use_cache"),
]


def body(config: ModelConfig) -> Table:
    table: list[Rule] = [Rule("tokens.weight", "shared.weight")]
    for name, stack in config.stacks.items():
        words = {"attention": "SelfAttention", "cross": "EncDecAttention"}
        used = list(words.items())[: 2 if name == "decoder" else 1]
        parts = {f"{ours}.{p}": f"layer.{at}.{word}.{p}" for at, (ours, word) in enumerate(used) for p in "qkvo"}
        parts |= {f"residual.norms.{at}": f"layer.{at}.layer_norm" for at in range(len(used) + 1)}
        ffn = {"gate": "wi_0", "up": "wi_1", "down": "wo"} if isinstance(stack.ffn, GLU) else {"up": "wi", "down": "wo"}
        parts |= {f"ffn.{part}": f"layer.{len(used)}.DenseReluDense.{word}" for part, word in ffn.items()}
        table += layers(stack.layers, f"{name}.blocks", f"{name}.block", parts, bias=False)
        first = f"{name}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        table.append(Rule(f"{name}.relative.0.table.weight", first))
        table.append(Rule(f"{name}.norm.weight", f"{name}.final_layer_norm.weight"))
    # The first releases carry a bias for cross-attention that was never used.
    unused = Drop(r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight")
    return [*table, *(Copy(f"{name}.embed_tokens.weight", "shared.weight") for name in config.stacks), unused]


def head(config: ModelConfig) -> Table:
    return [Copy("lm_head.weight", "shared.weight") if config.tie else Rule("head.weight", "lm_head.weight")]


FAMILY = Family("T5ForConditionalGeneration", "t5", "", KEYS, body, head)
