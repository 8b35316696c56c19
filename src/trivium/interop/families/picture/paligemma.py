"""PaliGemmaForConditionalGeneration, the second: SigLIP's states are the first tokens of Gemma 2, behind one matrix.

The picture and the question are a prefix whose tokens see each other, beyond the windows too.
"""

from typing import Any

from trivium.base.config import dump
from trivium.base.errors import ModelError
from trivium.interop.families.decoder import gemma2
from trivium.interop.families.encoder import siglip
from trivium.interop.keys import Tree, key, unread
from trivium.interop.pair import Join, JoinedFamily
from trivium.interop.rules import Table, linear, under
from trivium.model.config import ModelConfig

VISION, TEXT = "vision_config", "text_config"
INSIDE = {"kind": "inside"}


def read(joined: Tree, theirs: Tree, encoder: Tree) -> Tree:
    """Return the joined tree."""
    width = joined["hidden_size"]
    if (found := theirs.get("projection_dim", 2048)) != width:
        raise ModelError(f"projection_dim: {found!r:.40} is not supported, expected {width}, the text's hidden_size")
    joined["decoder"] |= {"cross": False, "pattern": [_seen(pattern) for pattern in joined["decoder"]["pattern"]]}
    token = theirs.get("image_token_id", theirs.get("image_token_index", 256000))  # the stock class takes the first
    tie = theirs.get("tie_word_embeddings", True)
    return {**joined, "project": True, "image_token": token, "tie": bool(tie)}


def _seen(pattern: Tree) -> Tree:
    """Return the pattern of Gemma 2 with a prefix in it."""
    return {"kind": "prefix"} if pattern["kind"] == "causal" else {"kind": "or", "of": [pattern, INSIDE]}


def _alone(pattern: Tree) -> Tree:
    """Return the pattern of Gemma 2 without a prefix; another stays as it is."""
    parts: list[Any] = pattern.get("of", [])
    if pattern["kind"] == "or" and len(parts) == 2 and parts[1] == INSIDE:
        return parts[0]  # type: ignore[no-any-return]
    return {"kind": "causal"} if pattern["kind"] == "prefix" else pattern


def write(config: ModelConfig) -> tuple[Tree, Tree]:
    """Return the keys of the class, and the patterns of a Gemma 2 alone."""
    assert config.decoder is not None and config.pictures is not None
    width = config.hidden_size
    told = {
        "image_token_index": config.placeholder,
        "projection_dim": width,
        "hidden_size": width,
        "tie_word_embeddings": config.tie,
        TEXT: {"use_bidirectional_attention": True, "num_image_tokens": config.pictures.limit(0)},
        VISION: {"projection_dim": width, "vision_use_head": False},
    }
    return told, {"pattern": [_alone(dump(pattern)) for pattern in config.decoder.pattern]}


def body(config: ModelConfig) -> Table:
    """Return the names of the weights of both parts, and of the matrix between them."""
    project = linear("project", "multi_modal_projector.linear")
    decoder = under("language_model.", gemma2.FAMILY.body(_decoder(config)))
    return [*under("vision_tower.", siglip.body(config)), *project, *decoder]


def _decoder(config: ModelConfig) -> ModelConfig:
    """Return the config with its decoder alone."""
    return config.model_copy(update={"encoder": None})


def head(config: ModelConfig) -> Table:
    """Return the name of the matrix of the head."""
    return under("language_model.", gemma2.FAMILY.head(config))


LLAVA = {
    r"^language_model\.model\.": "model.language_model.",
    r"^language_model\.lm_head": "lm_head",
    r"^(?=vision_tower|multi_modal_projector)": "model.",
}
"""The modules of transformers 4.52."""
MODULES = {**LLAVA, r"vision_tower\.vision_model\.": "vision_tower."}
"""The modules of transformers 5."""
TOWER = {f"vision_tower.{part}": f"vision_tower.vision_model.{part}" for part in ("embed", "encoder", "post", "head")}

FAMILY = JoinedFamily(
    "PaliGemmaForConditionalGeneration",
    "paligemma2",
    "",
    [
        key("image_token_index", 256000, "image_token"),
        unread("projection_dim", "hidden_size", "tie_word_embeddings", "vocab_size", "ignore_index"),
        unread("_vocab_size", "num_hidden_layers"),
    ],
    body,
    head,
    parts={VISION: siglip.FAMILY, TEXT: gemma2.FAMILY},
    between=("use_bidirectional_attention", "num_image_tokens"),
    type_name="paligemma",
    aliases={"image_token_id": "image_token_index"},
    renamed=TOWER,
    modules=(MODULES, LLAVA),
    join=Join(read, write),
)
