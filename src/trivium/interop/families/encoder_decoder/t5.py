"""T5ForConditionalGeneration: T5 (ReLU, tied, scaled head) and T5 v1.1 or FLAN (gated, with a head of its own).

The stock class scales the head exactly where `tie_word_embeddings` is not false. Version 5 writes true for both and
says `scale_decoder_outputs` besides; we read either and write what versions 4 and 5 read alike.
"""

from trivium.base.errors import ModelError
from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, ACTIVATIONS, Entry, Ours, Tree, key, token, unread
from trivium.interop.rules import Copy, Drop, Rule, Table, layers
from trivium.model.config import ModelConfig
from trivium.model.layer.ffn import GLU


def read_depth(theirs: Tree) -> Tree:
    """Return the depth of the decoder; if none is given, it is that of the encoder."""
    depth = theirs["num_decoder_layers"]
    return {"decoder.layers": theirs["num_layers"] if depth is None else depth}


def read_tie(theirs: Tree) -> Tree:
    """Return whether the head is scaled; exactly then it is tied for sure, else the file may have a matrix for it."""
    said, tied = theirs["scale_decoder_outputs"], theirs["tie_word_embeddings"]
    scaled = tied is not False if said is None else bool(said)
    return {"tie": scaled, "head.scale": scaled}


def write_tie(ours: Ours) -> Tree:
    """Return whether the head is tied; a ModelError if it is scaled differently."""
    tie = ours.config.tie
    if (scale := ours.get("head.scale", tie)) != tie:
        raise ModelError(f"head.scale: {scale}, {ours.architecture} has {tie} with tie = {tie}")
    return {"tie_word_embeddings": tie}


PROJECTION, ACT, GATED = "feed_forward_proj", "dense_act_fn", "is_gated_act"


def read_ffn(theirs: Tree) -> Tree:
    """Return the feed-forward of a name such as `relu` or `gated-gelu`; what stands beside the name wins over it."""
    name, act, gated = theirs[PROJECTION], theirs[ACT], theirs[GATED]
    *first, word = name.split("-")
    if first not in ([], ["gated"]):
        raise ModelError(f"{PROJECTION}: {name!r} is not supported, expected an activation or gated-ACTIVATION")
    word = act or ("gelu_new" if name == "gated-gelu" else word)
    if word not in ACTIVATIONS:
        raise ModelError(f"{ACT if act else PROJECTION}: {word!r} is not supported; known: {', '.join(ACTIVATIONS)}")
    glu = bool(first) if gated is None else gated
    return {"*.ffn": {"kind": "glu" if glu else "mlp", "activation": ACTIVATIONS[word], "bias": False}}


def write_ffn(ours: Ours) -> Tree:
    """Return the name of a feed-forward and, apart, its activation and whether it is gated."""
    ffn = ours.get("*.ffn")
    word, glu = ACTIVATION.write(ffn["activation"]), ffn["kind"] == "glu"
    short = "gelu" if word == "gelu_new" else word
    return {PROJECTION: f"gated-{short}" if glu else word, ACT: word, GATED: glu}


BUCKETS, DISTANCE = "relative_attention_num_buckets", "relative_attention_max_distance"


def read_buckets(theirs: Tree) -> Tree:
    """Return the buckets of distances, which look both ways in the encoder."""
    bucket = {"kind": "bucket", "num_buckets": theirs[BUCKETS], "max_distance": theirs[DISTANCE]}
    return {"encoder.position": [{**bucket, "bidirectional": True}], "decoder.position": [bucket]}


def write_buckets(ours: Ours) -> Tree:
    """Return the keys of the buckets."""
    bucket = ours.get("encoder.position.0")
    return {BUCKETS: bucket.get("num_buckets", 32), DISTANCE: bucket.get("max_distance", 128)}


TIE = Entry({"tie_word_embeddings": True, "scale_decoder_outputs": None}, read_tie, write_tie)


def keys(tie: Entry = TIE, ffn: str = "relu", **sizes: int) -> list[Entry]:
    """Return the keys of T5 and its heirs, of these defaults; `tie` says how the head is tied."""
    defaults = {"vocab_size": 32128, "d_ff": 2048, "num_layers": 6, "num_heads": 8, **sizes}
    return [
        key("vocab_size", defaults["vocab_size"], "vocab_size"),
        key("d_model", 512, "hidden_size"),
        key("d_kv", 64, "*.head_size"),
        Entry({PROJECTION: ffn, ACT: None, GATED: None}, read_ffn, write_ffn),
        key("d_ff", defaults["d_ff"], "*.ffn.size"),
        key("num_layers", defaults["num_layers"], "encoder.layers"),
        Entry(
            {"num_decoder_layers": None}, read_depth, lambda ours: {"num_decoder_layers": ours.get("decoder.layers")}
        ),
        key("num_heads", defaults["num_heads"], "*.heads"),
        Entry({BUCKETS: 32, DISTANCE: 128}, read_buckets, write_buckets),
        key("dropout_rate", 0.1, "*.dropout *.attention_dropout"),
        key("layer_norm_epsilon", 1e-6, "*.norm.eps"),
        key("n_positions", 512, "context"),
        tie,
        token("decoder_start_token_id", "pad"),
        unread("initializer_factor", "is_decoder", "classifier_dropout"),
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
    """Return the names of the head's weights; version 5 leaves an equal matrix out, whether it is scaled or not."""
    tied = Copy("lm_head.weight", "shared.weight")
    return [tied if config.tie else Rule("head.weight", "lm_head.weight", instead="shared.weight")]


ALIASES = {"hidden_size": "d_model", "num_attention_heads": "num_heads", "num_hidden_layers": "num_layers"}
ALIASES |= {"head_dim": "d_kv"}

FAMILY = Family("T5ForConditionalGeneration", "t5", "", keys(), body, head, aliases=ALIASES)
