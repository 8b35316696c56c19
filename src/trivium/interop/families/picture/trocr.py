"""VisionEncoderDecoderModel of a ViT and TrOCR's decoder: BART's, which begins with EOS and attends at any width."""

from trivium.interop.families.encoder_decoder import bart
from trivium.interop.families.picture.vit_gpt2 import pair
from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, DROPOUT, Entry, Form, Ours, Tree, key, rates, std, unread
from trivium.interop.rules import Copy, Rule, Table
from trivium.model.config import ModelConfig
from trivium.model.layer.position import Learned
from trivium.model.presets import PRESETS

NORM = Form(lambda said: {"kind": "layer" if said else "none"}, lambda norm: norm["kind"] == "layer")
LEARNED = "use_learned_position_embeddings"


def read(theirs: Tree) -> Tree:
    """Return a table of positions, or sinusoids that count from the padding id + 1."""
    fixed = {"kind": "m2m100", "offset": (theirs["pad_token_id"] or 0) + 1}
    return {"*.position": [{"kind": "learned", "offset": 2} if theirs[LEARNED] else fixed]}


def write(ours: Ours) -> Tree:
    """Return the keys of the positions."""
    learned, offset = ours.get("*.position.0.kind") == "learned", ours.get("*.position.0.offset", 1)
    pad = 1 if ours.vocabulary is None else ours.vocabulary.pad
    return {LEARNED: learned, "pad_token_id": pad if learned else offset - 1}


KEYS = [
    key("vocab_size", 50265, "vocab_size"),
    key("d_model", 1024, "hidden_size"),
    key("decoder_layers", 12, "*.layers"),
    key("decoder_ffn_dim", 4096, "*.ffn.size"),
    key("decoder_attention_heads", 16, "*.heads"),
    key("activation_function", "gelu", "*.ffn.activation", ACTIVATION),
    key("max_position_embeddings", 512, "context"),
    key("dropout", 0.1, "*.dropout"),
    key("attention_dropout", 0.0, "*.attention_dropout", DROPOUT),
    key("scale_embedding", False, "embed.scale"),
    key("layernorm_embedding", True, "embed.norm", NORM),
    key("tie_word_embeddings", True, "tie"),
    Entry({LEARNED: True, "pad_token_id": 1}, read, write),
    std("init_std"),
    rates("decoder_layerdrop", "activation_dropout"),
    unread("use_cache", "classifier_dropout", "decoder_start_token_id"),
]


def body(config: ModelConfig) -> Table:
    """Return the names of all weights but the head's."""
    learned = isinstance(config.stacks["decoder"].position[0], Learned)
    places = [Rule("inputs.decoder.position.weight", "model.decoder.embed_positions.weight")] if learned else []
    return [Rule("tokens.weight", "model.decoder.embed_tokens.weight"), *bart.stack_body(config, "decoder"), *places]


def head(config: ModelConfig) -> Table:
    """Return the name of the matrix of the head."""
    tied, name = Copy("output_projection.weight", "model.decoder.embed_tokens.weight"), "output_projection.weight"
    return [tied if config.tie else Rule("head.weight", name)]


TREE = {name: value for name, value in PRESETS["trocr"].items() if name not in ("encoder", "project")}
ALIASES = {"hidden_size": "d_model", "num_attention_heads": "decoder_attention_heads"}
ALIASES |= {"num_hidden_layers": "decoder_layers"}
DECODER = Family("TrOCRForCausalLM", "trocr", "model.", KEYS, body, head, tree=TREE, aliases=ALIASES)

FAMILY = pair("trocr", DECODER, "eos", wide=True)
