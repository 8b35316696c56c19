"""BartForConditionalGeneration: the encoder-decoder of 2017 with learned positions and a normalised embedding."""

import torch

from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, DROPOUT, Entry, Form, key, only, rates, std, token, told, unread
from trivium.interop.rules import Copy, Given, Rule, Table, layers, linear
from trivium.model.config import ModelConfig
from trivium.model.layer.embed import Tokens
from trivium.model.layer.norm import NoNorm
from trivium.model.layer.position import Learned, Position

STACKS = ("encoder", "decoder")


def keys(pre: bool, start: str = "eos", fixed: bool = False, vocab_size: int = 50265) -> list[Entry]:
    """Return the keys of BART and its heirs.

    `pre` says whether norms stand before sublayers, `start` with which special token a decoder begins, `fixed`
    whether positions are sinusoids and embeddings have no norm.
    """
    return [
        key("vocab_size", vocab_size, "vocab_size"),
        key("d_model", 1024, "hidden_size"),
        key("max_position_embeddings", 1024, "context"),
        *(key(f"{name}_layers", 12, f"{name}.layers") for name in STACKS),
        *(key(f"{name}_ffn_dim", 4096, f"{name}.ffn.size") for name in STACKS),
        *(key(f"{name}_attention_heads", 16, f"{name}.heads") for name in STACKS),
        key("activation_function", "gelu", "*.ffn.activation", ACTIVATION),
        key("dropout", 0.1, "*.dropout"),
        key("attention_dropout", 0.0, "*.attention_dropout", DROPOUT),
        key("scale_embedding", False, "embed.scale", Form(lambda value: False if value is None else value)),
        only("tie_word_embeddings", True, write=True),  # else the class has three tables: encoder, decoder and head
        std("init_std"),
        token("decoder_start_token_id", start, required=fixed),
        told(
            normalize_before=pre,
            add_final_layer_norm=pre,
            normalize_embedding=not fixed,
            static_position_embeddings=fixed,
            add_bias_logits=True,
            forced_eos_token_id=None,  # the stock class would take 2
        ),
        rates("encoder_layerdrop", "decoder_layerdrop", "activation_dropout"),
        unread("is_decoder"),
    ]


ATTENTION = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj"}


def body(config: ModelConfig) -> Table:
    """Return the names of the weights of both stacks of BART and its heirs."""
    table: list[Rule | Given] = [Rule("tokens.weight", "model.shared.weight")]
    for name, stack in config.stacks.items():
        table += [*stack_body(config, name), _positions(config, name, stack.position[0])]
    return [*table, *(Copy(f"model.{name}.embed_tokens.weight", "model.shared.weight") for name in config.stacks)]


def stack_body(config: ModelConfig, name: str) -> list[Rule]:
    """Return the names of the weights of one stack, without its positions."""
    stack, words = config.stacks[name], {"attention": "self_attn"}
    if name == "decoder":
        words["cross"] = "encoder_attn"
    parts = {f"{at}.{part}": f"{word}.{key}" for at, word in words.items() for part, key in ATTENTION.items()}
    parts |= {f"residual.norms.{at}": f"{word}_layer_norm" for at, word in enumerate([*words.values(), "final"])}
    parts |= {"ffn.up": "fc1", "ffn.down": "fc2"}
    if name == "decoder" and not config.cross:
        parts = {ours: theirs for ours, theirs in parts.items() if not ours.startswith("cross")}
    table = layers(stack.layers, f"{name}.blocks", f"model.{name}.layers", parts)
    if isinstance(config.embed, Tokens) and not isinstance(config.embed.norm, NoNorm):
        table += linear(f"inputs.{name}.norm", f"model.{name}.layernorm_embedding")
    return [*table, *(linear(f"{name}.norm", f"model.{name}.layer_norm") if stack.residual.final else [])]


def _positions(config: ModelConfig, name: str, position: Position) -> Rule | Given:
    theirs = f"model.{name}.embed_positions.weight"
    if isinstance(position, Learned):
        return Rule(f"inputs.{name}.position.weight", theirs)
    module = position.additive(config.context, config.hidden_size)
    assert module is not None
    return Given(theirs, (config.context, config.hidden_size), lambda: module(torch.arange(config.context)[None])[0])


def head(config: ModelConfig) -> Table:
    bias = Rule("head.bias", "final_logits_bias", shape=(1, config.vocab_size), optional=True)
    return [bias, Copy("lm_head.weight", "model.shared.weight")]


ALIASES = {"hidden_size": "d_model", "num_attention_heads": "encoder_attention_heads"}
ALIASES |= {"num_hidden_layers": "encoder_layers"}

FAMILY = Family("BartForConditionalGeneration", "bart", "model.", keys(pre=False), body, head, aliases=ALIASES)
