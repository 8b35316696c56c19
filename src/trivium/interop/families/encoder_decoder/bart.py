"""BartForConditionalGeneration: the encoder-decoder of 2017 with learned positions and a normalised embedding."""

from trivium.interop.family import Family
from trivium.interop.keys import ACTIVATION, Entry, Key, Only, Told, Unread, std, token
from trivium.interop.rules import Copy, Rule, Table, each, linear
from trivium.model.config import ModelConfig

STACKS = ("encoder", "decoder")
SHARED: list[Entry] = [
    Key("vocab_size", 50265, "vocab_size"),
    Key("d_model", 1024, "hidden_size"),
    Key("max_position_embeddings", 1024, "context"),
    *(Key(f"{name}_layers", 12, f"{name}.layers") for name in STACKS),
    *(Key(f"{name}_ffn_dim", 4096, f"{name}.ffn.size") for name in STACKS),
    *(Key(f"{name}_attention_heads", 16, f"{name}.heads") for name in STACKS),
    Key("activation_function", "gelu", "*.ffn.activation", ACTIVATION),
    Key("dropout", 0.1, "*.dropout"),
    Key("attention_dropout", 0.0, "*.attention_dropout"),
    Key("scale_embedding", False, "embed.scale"),
    Only("tie_word_embeddings", True, told=True),  # else the class has three tables: encoder, decoder and head
    std("init_std"),
    token("decoder_start_token_id", "eos"),
    Told("forced_eos_token_id", None),  # the stock class would take 2
    Told("static_position_embeddings", False),
    Told("add_bias_logits", True),
    Unread("encoder_layerdrop", "decoder_layerdrop", "activation_dropout", "is_decoder", "use_cache"),
]
"""The keys of BART and its heirs. The last that are told are what the class takes for granted and others ask for."""


def norms(pre: bool, embedding: bool = True) -> list[Entry]:
    """Tell other readers where norms stand."""
    told = {"normalize_before": pre, "add_final_layer_norm": pre, "normalize_embedding": embedding}
    return [Told(key, value) for key, value in told.items()]


ATTENTION = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj"}


def body(config: ModelConfig) -> Table:
    """Return the names of the weights of both stacks of BART and its heirs."""
    table: list[Rule] = [Rule("tokens.weight", "model.shared.weight")]
    for name, stack in config.stacks.items():
        ours, theirs = f"{name}.blocks.{{i}}", f"model.{name}.layers.{{i}}"
        words = {"attention": "self_attn", "cross": "encoder_attn"} if name == "decoder" else {"attention": "self_attn"}
        layer = {f"{at}.{part}": f"{word}.{key}" for at, word in words.items() for part, key in ATTENTION.items()}
        layer |= {f"residual.norms.{at}": f"{word}_layer_norm" for at, word in enumerate([*words.values(), "final"])}
        layer |= {"ffn.up": "fc1", "ffn.down": "fc2"}
        table += each(
            stack.layers,
            [rule for part, word in layer.items() for rule in linear(f"{ours}.{part}", f"{theirs}.{word}")],
        )
        table.append(Rule(f"inputs.{name}.position.weight", f"model.{name}.embed_positions.weight"))
        table += linear(f"inputs.{name}.norm", f"model.{name}.layernorm_embedding")
        if stack.residual.final:
            table += linear(f"{name}.norm", f"model.{name}.layer_norm")
    return [*table, *(Copy(f"model.{name}.embed_tokens.weight", "model.shared.weight") for name in config.stacks)]


def head(config: ModelConfig) -> Table:
    bias = Rule("head.bias", "final_logits_bias", row=True, optional=True)
    return [bias, Copy("lm_head.weight", "model.shared.weight")]


FAMILY = Family("BartForConditionalGeneration", "bart", "model.", [*SHARED, *norms(pre=False)], body, head)
