"""SiglipVisionModel: patches without a class token. Its head of attention is left out: no task of ours reads it."""

from trivium.interop.families.encoder import vit
from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, DROPOUT, key, told, unread
from trivium.interop.rules import Drop, Rule, Table, linear
from trivium.model.config import ModelConfig

KEYS = [
    *vit.SHARED,
    key("hidden_act", "gelu_pytorch_tanh", "*.ffn.activation", ACTIVATION),
    key("attention_dropout", 0.0, "*.attention_dropout", DROPOUT),
    key("layer_norm_eps", 1e-6, "*.norm.eps"),
    told(vision_use_head=False),
    unread("projection_dim", "initializer_range", "initializer_factor", "num_positions"),
]
LAYER = {f"attention.{part}": f"self_attn.{part}_proj" for part in "qkv"}
LAYER |= {"attention.o": "self_attn.out_proj", "ffn.up": "mlp.fc1", "ffn.down": "mlp.fc2"}
LAYER |= {"residual.norms.0": "layer_norm1", "residual.norms.1": "layer_norm2"}


def body(config: ModelConfig) -> Table:
    """Return the names of all weights."""
    return [
        Rule("inputs.encoder.position.weight", "vision_model.embeddings.position_embedding.weight"),
        *vit.kernel(config, "vision_model.embeddings.patch_embedding"),
        *vit.parts(config, LAYER, "vision_model.encoder.layers"),
        *linear("encoder.norm", "vision_model.post_layernorm"),
        Drop(r"vision_model\.head\..*", head=True),
        Drop(r"vision_model\.embeddings\.position_ids"),
    ]


FAMILY = Family("SiglipVisionModel", "siglip_vision_model", "vision_model.", KEYS, body, lambda _: [])
