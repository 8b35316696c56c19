"""MinistralForCausalLM: Mistral with a window in the layers that `layer_types` says."""

from dataclasses import replace

from trivium.interop.decoder import heir
from trivium.interop.layers import FULL, SLIDING, layer_types

FAMILY = replace(
    heir(
        "MinistralForCausalLM",
        "ministral",
        layer_types(
            lambda theirs, layer: FULL if theirs["sliding_window"] is None else SLIDING, {"sliding_window": 4096}
        ),
        intermediate_size=14336,
        num_key_value_heads=8,
        max_position_embeddings=131072,
    ),
    twin=True,
)
