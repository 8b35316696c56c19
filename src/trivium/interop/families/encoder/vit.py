"""ViTModel and ViTForImageClassification: patches and a class token. The pooler is left out: no task reads it."""

from collections.abc import Mapping

from trivium.base.errors import ModelError
from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, Entry, Ours, Tree, key, std, unread
from trivium.interop.rules import Drop, Rule, Table, layers, linear, under
from trivium.model.config import ModelConfig
from trivium.model.layer.embed import PatchEmbed

IMAGE, PATCH = "image_size", "patch_size"


def sides(theirs: Tree, name: str) -> tuple[int, int]:
    """Return the height and the width of one number for both, or of two."""
    found = theirs[name]
    pair = found if isinstance(found, list | tuple) else [found, found]
    if len(pair) != 2 or not all(type(one) is int and 0 < one < 1 << 16 for one in pair):
        raise ModelError(f"{name}: expected one whole number above 0 or two, found {found!r:.60}")
    return pair[0], pair[1]


def read(theirs: Tree) -> Tree:
    """Return the side of a patch and the size of a picture in patches."""
    image, patch = sides(theirs, IMAGE), sides(theirs, PATCH)
    if patch[0] != patch[1]:
        raise ModelError(f"{PATCH}: expected a square, found {theirs[PATCH]}")
    if any(side % patch[0] for side in image):
        raise ModelError(f"{IMAGE}: expected a multiple of {PATCH} {patch[0]}, found {theirs[IMAGE]}")
    return {"*.embed.patch": patch[0], "*.embed.size": [side // patch[0] for side in image]}


def write(ours: Ours) -> Tree:
    """Return the sizes in pixels, a square as one number."""
    patch, size = ours.get("*.embed.patch"), ours.get("*.embed.size", ())
    if patch is None:
        return {}
    image = [patch * side for side in size]
    return {PATCH: patch, IMAGE: image[0] if image[0] == image[1] else image}


SIZES = Entry({IMAGE: 224, PATCH: 16}, read, write)
SHARED = [
    key("hidden_size", 768, "hidden_size"),
    key("num_hidden_layers", 12, "*.layers"),
    key("num_attention_heads", 12, "*.heads"),
    key("intermediate_size", 3072, "*.ffn.size"),
    key("num_channels", 3, "*.embed.channels"),
    SIZES,
]
"""The keys that ViT and SigLIP have in common."""
KEYS = [
    *SHARED,
    key("hidden_act", "gelu", "*.ffn.activation", ACTIVATION),
    key("hidden_dropout_prob", 0.0, "*.dropout"),
    key("attention_probs_dropout_prob", 0.0, "*.attention_dropout"),
    key("layer_norm_eps", 1e-12, "*.norm.eps"),
    Entry(
        {"qkv_bias": True},
        lambda theirs: {"*.bias": theirs["qkv_bias"], "*.output_bias": True},
        lambda ours: {"qkv_bias": ours.get("*.bias")},
    ),
    std("initializer_range"),
    unread("encoder_stride", "pooler_output_size", "pooler_act", "layer_scale_init_value", "use_mask_token"),
]
MODULES = {
    r"encoder\.layer\.": "layers.",
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
    "intermediate.dense": "mlp.fc1",
    r"(?<=\d\.)output.dense": "mlp.fc2",
}
"""The modules of transformers 5."""
LAYER = {
    "attention.q": "attention.attention.query",
    "attention.k": "attention.attention.key",
    "attention.v": "attention.attention.value",
    "attention.o": "attention.output.dense",
    "residual.norms.0": "layernorm_before",
    "ffn.up": "intermediate.dense",
    "ffn.down": "output.dense",
    "residual.norms.1": "layernorm_after",
}


def pictured(config: ModelConfig) -> PatchEmbed:
    """Return the way in of the encoder, which the class says of pictures alone."""
    assert isinstance(config.pictures, PatchEmbed)
    return config.pictures


def kernel(config: ModelConfig, theirs: str) -> Table:
    """Return the names of the matrix of patches, which is stored as the kernel of a convolution."""
    embed = pictured(config)
    shape = (config.width("encoder"), embed.channels, embed.patch, embed.patch)
    bias = [Rule("inputs.encoder.patch.bias", f"{theirs}.bias")] if embed.bias else []
    return [Rule("inputs.encoder.patch.weight", f"{theirs}.weight", shape=shape), *bias]


def parts(config: ModelConfig, layer: Mapping[str, str], blocks: str) -> Table:
    """Return the names of the weights of the layers, with or without biases of queries, keys and values."""
    stack = config.stacks["encoder"]
    free = [] if stack.bias else [f"attention.{part}" for part in "qkv"]
    biased = {ours: theirs for ours, theirs in layer.items() if ours not in free}
    plain = {ours: layer[ours] for ours in free}
    return [
        *layers(stack.layers, "encoder.blocks", blocks, biased),
        *layers(stack.layers, "encoder.blocks", blocks, plain, bias=False),
    ]


def body(config: ModelConfig, root: str = "vit.") -> Table:
    """Return the names of all weights under `root`."""
    embed, width = pictured(config), config.width("encoder")
    table = [
        Rule("inputs.encoder.first.weight", "embeddings.cls_token", shape=(1, 1, width)),
        Rule("inputs.encoder.position.weight", "embeddings.position_embeddings", shape=(1, embed.limit(0), width)),
        *kernel(config, "embeddings.patch_embeddings.projection"),
        *parts(config, LAYER, "encoder.layer"),
        *linear("encoder.norm", "layernorm"),
        Drop(r"pooler\.dense\.(weight|bias)|embeddings\.mask_token", head=True),
    ]
    return [*under(root, table), Drop(r"decoder\.0\.(weight|bias)", head=True)]


FAMILY = Family("ViTModel", "vit", "vit.", KEYS, body, lambda _: [], modules=(MODULES,))
