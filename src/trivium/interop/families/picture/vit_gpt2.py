"""VisionEncoderDecoderModel of a ViT and a GPT-2: the decoder has cross-attention, and one matrix joins two widths."""

from functools import partial

from trivium.base.errors import ModelError
from trivium.interop.families.decoder import gpt2
from trivium.interop.families.encoder import vit
from trivium.interop.family import Family
from trivium.interop.keys import Tree, token, unread
from trivium.interop.pair import Join, JoinedFamily
from trivium.interop.rules import Table, linear, under
from trivium.model.config import ModelConfig

ADDED, WIDTH = "add_cross_attention", "cross_attention_hidden_size"
BETWEEN = (ADDED, WIDTH, "is_decoder")


def read(joined: Tree, theirs: Tree, encoder: Tree, wide: bool = False) -> Tree:
    """Return the joined tree; `wide` is whether the class has keys and values of the encoder's width."""
    inner = theirs["decoder"]
    if inner.get(ADDED) is not True:
        raise ModelError(f"decoder.{ADDED}: expected true: the decoder attends to the encoder")
    same, size = encoder["hidden_size"] == joined["hidden_size"], inner.get(WIDTH)
    if size is not None and (size != encoder["hidden_size"] or not (wide or same)):
        raise ModelError(f"decoder.{WIDTH}: {size!r:.40} is not supported, expected null or the encoder's hidden_size")
    return {**joined, "project": size is None and not same}


def write(config: ModelConfig, wide: bool = False) -> tuple[Tree, Tree]:
    """Return what the class says of the cross-attention, and no change of the decoder."""
    same = config.width("encoder") == config.hidden_size
    if not config.cross or (config.projects and same) or not (config.projects or same or wide):
        found = f"cross {config.cross}, project {config.projects}"
        raise ModelError(
            f"project: {found}; the class attends to the encoder, and has a matrix where the widths differ"
        )
    width = {WIDTH: config.width("encoder")} if wide and not config.projects else {}
    return {"decoder": {ADDED: True, "is_decoder": True, **width}, "tie_word_embeddings": False}, {}


def body(config: ModelConfig, decoder: Family) -> Table:
    """Return the names of the weights of both parts, and of the matrix between them."""
    project = linear("project", "enc_to_dec_proj") if config.projects else []
    return [*under("encoder.", vit.body(config, "")), *under("decoder.", decoder.body(config)), *project]


def head(config: ModelConfig, decoder: Family) -> Table:
    """Return the names of the weights of the head."""
    return under("decoder.", decoder.head(config))


def pair(model_type: str, decoder: Family, start: str, wide: bool = False) -> JoinedFamily:
    """Return the class with another decoder, which begins with a special token."""
    return JoinedFamily(
        "VisionEncoderDecoderModel",
        model_type,
        "",
        [unread("tie_word_embeddings"), token("decoder_start_token_id", start)],
        partial(body, decoder=decoder),
        partial(head, decoder=decoder),
        parts={"encoder": vit.FAMILY, "decoder": decoder},
        between=BETWEEN,
        modules=vit.FAMILY.modules,
        type_name="vision-encoder-decoder",
        join=Join(partial(read, wide=wide), partial(write, wide=wide)),
    )


FAMILY = pair("vit-gpt2", gpt2.FAMILY, "bos")
