"""Write a model as one GGUF file, for llama.cpp and the programs built on it.

llama.cpp computes fixed architectures and knows tokenizers by the name of their split. What it would compute in
another way is an error here, with the field that is to blame. Names of weights come from the family's own table and
the `gguf` package; nothing here knows how a GGUF file is laid out.
"""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor

from trivium.base import files
from trivium.base.errors import ConfigError, ModelError
from trivium.base.log import warn
from trivium.base.plugin import extra
from trivium.interop import families
from trivium.interop.families import by_type, obstacle
from trivium.interop.hub import Folder
from trivium.interop.rules import Rule, to_theirs
from trivium.model.attention.pattern import Causal
from trivium.model.config import ModelConfig
from trivium.model.layer.norm import LayerNorm, RMSNorm
from trivium.model.layer.position import RoPE
from trivium.model.layer.scaling import Dynamic, LongRoPE, NoScaling
from trivium.model.stack import StackConfig
from trivium.model.weights import collect
from trivium.token.bpe import SPLIT
from trivium.token.frame import frame_of
from trivium.token.tokenizer import Tokenizer

ACTIVATIONS = {"llama": "silu", "qwen3": "silu", "qwen2": "silu", "gpt2": "gelu_tanh"}
"""The architectures that we write -> the activation that llama.cpp has in each."""
TYPES = {None: "F32", "q8_0": "Q8_0"}
"""The types of stored matrices; all other tensors are float32."""
BLOCK = 32
"""Numbers that share a scale in Q8_0."""
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The split of LLaMA 3 and of the tokenizers that were trained here before marks stayed with their letters."""
DIGITS = "each digit, then GPT-2"
"""The split of SmolLM and StarCoder, which is two steps."""
SPLITS = {
    (None, False): "gpt-2",
    (SPLIT, False): "qwen35",
    (CL100K, False): "dbrx",
    (CL100K, True): "llama-bpe",
    (CL100K.replace("{1,3}", ""), False): "qwen2",
    (DIGITS, False): "smollm",
}
"""(Pattern, whether whole words skip merges) -> the name that llama.cpp has for this split; None is GPT-2's."""


def write(file: str | Path, model: Folder, quantize: str | None = None, name: str = "trivium") -> Path:
    """Write a GGUF file, whole or not at all; `quantize` None keeps float32, "q8_0" stores matrices in 8 bits.

    What llama.cpp has not is a ModelError.
    """
    gguf = extra("gguf", "writing GGUF")
    file, config, tokenizer = Path(file), model.config, model.tokenizer
    if quantize not in TYPES:
        raise ConfigError(f"quantize: expected one of {', '.join(filter(None, TYPES))}, found {quantize!r}")
    if file.is_dir():
        raise ConfigError(f"{file}: expected a file to write, found a folder")
    if tokenizer is None:
        raise ModelError("this model has no tokenizer (no tokenizer.json), and a GGUF file needs one")
    arch = architecture(config)
    state = _state(gguf, arch, config, collect(model.transformer))
    kind = gguf.GGMLQuantizationType[TYPES[quantize]]
    # The writer opens the temporary file a second time.
    with files.writing(file) as handle, closing(gguf.GGUFWriter(handle.name, arch)) as writer:
        writer.add_name(name)
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if quantize else gguf.LlamaFileType.ALL_F32)
        _sizes(writer, config)
        _tokenizer(gguf, writer, tokenizer, model.stop_ids, config.vocab_size)
        for key, tensor in state.items():
            data = tensor.float().contiguous().numpy()
            if not quantize or tensor.dim() < 2 or key.startswith("position"):
                writer.add_tensor(key, data)
            elif (row := tensor.shape[-1]) % BLOCK:
                raise ModelError(f"{key}: {quantize} needs rows of a multiple of {BLOCK} numbers, found {row}")
            else:
                writer.add_tensor(key, gguf.quants.quantize(data, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    return file


def architecture(config: ModelConfig) -> str:
    """Return the architecture of llama.cpp that computes the same; a ModelError says why none does."""
    reasons = {name: obstacle(by_type(name), config) for name in ACTIVATIONS}
    name = next((name for name, reason in reasons.items() if reason is None), None)
    if name is None:
        closest = config.preset if config.preset in reasons else "llama"
        raise ModelError(f"GGUF is written for {', '.join(ACTIVATIONS)}, and this model is none: {reasons[closest]}")
    stack, rope = _parts(config)
    scaling = rope.scaling if rope else NoScaling()
    wrong = {
        f"decoder.ffn.activation {stack.ffn.activation}": stack.ffn.activation != ACTIVATIONS[name],
        f"decoder.score_scale {stack.score_scale}": name == "gpt2" and stack.score_scale is not None,
        "decoder.score_decay": stack.score_decay,
        "decoder.pattern window": any(not isinstance(pattern, Causal) for pattern in stack.pattern),
        "decoder.bias": name == "qwen3" and stack.bias,
        f"decoder.position.scaling {scaling.kind}": not isinstance(scaling, NoScaling)
        and (name != "llama" or isinstance(scaling, Dynamic | LongRoPE)),
    }
    if found := [field for field, bad in wrong.items() if bad]:
        raise ModelError(f"{found[0]}: the architecture {name} of llama.cpp has it not")
    return name


def _parts(config: ModelConfig) -> tuple[StackConfig, RoPE | None]:
    stack = config.decoder
    assert stack is not None
    return stack, stack.position[0] if isinstance(stack.position[0], RoPE) else None


def _sizes(writer: Any, config: ModelConfig) -> None:
    stack, rope = _parts(config)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(stack.layers)
    writer.add_head_count(stack.heads)
    writer.add_feed_forward_length(stack.ffn.width(config.hidden_size))
    width = stack.head_width(config.hidden_size)
    if isinstance(stack.norm, RMSNorm):
        writer.add_layer_norm_rms_eps(stack.norm.eps)
    elif isinstance(stack.norm, LayerNorm):
        writer.add_layer_norm_eps(stack.norm.eps)
    if rope is None:
        return
    writer.add_head_count_kv(stack.kv_heads or stack.heads)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(rope.theta)
    if rope.scaling.magnitude != 1.0:
        writer.add_rope_scaling_attn_factors(rope.scaling.magnitude)


def _state(gguf: ModuleType, arch: str, config: ModelConfig, ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights in llama.cpp's names, every matrix as [out, in]."""
    stack, rope = _parts(config)
    table = [replace(rule, transpose=False) for rule in families.rules(by_type(arch), config) if isinstance(rule, Rule)]
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[arch.upper()], stack.layers)
    state: dict[str, Tensor] = {}
    for theirs, tensor in to_theirs(ours, table).items():
        name = names.get_name(theirs, try_suffixes=(".weight", ".bias"))
        assert name is not None, theirs
        heads = {"attn_q": stack.heads, "attn_k": stack.kv_heads or stack.heads}.get(name.split(".")[-2])
        state[name] = _interleave(tensor, heads) if arch == "llama" and heads else tensor
    if rope and not isinstance(rope.scaling, NoScaling):
        width = stack.head_width(config.hidden_size)
        plain, stretched = NoScaling().frequency(rope.theta, width), rope.scaling.frequency(rope.theta, width)
        state["rope_freqs.weight"] = plain / stretched
    return state


def _interleave(tensor: Tensor, heads: int) -> Tensor:
    """Put the two numbers that RoPE turns together side by side, as llama.cpp wants them in LLaMA alone."""
    return tensor.reshape(heads, 2, -1, *tensor.shape[1:]).transpose(1, 2).reshape(tensor.shape)


def _tokenizer(gguf: ModuleType, writer: Any, tokenizer: Tokenizer, stop_ids: Sequence[int], size: int) -> None:
    tree, kinds = json.loads(tokenizer.json), gguf.TokenType
    model, split = tree["model"], _split(tree)
    names = [f"<|unused_{i}|>" for i in range(size)]
    types = [kinds.UNUSED] * size
    for name, index in model["vocab"].items():
        names[index], types[index] = name, kinds.NORMAL
    for token in tree.get("added_tokens") or []:
        names[token["id"]], types[token["id"]] = token["content"], kinds.USER_DEFINED
    for index in tokenizer.special:
        types[index] = kinds.CONTROL
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split)
    writer.add_token_list(names)
    writer.add_token_types(types)
    # A list must not be empty; two whole names never stand side by side as characters do.
    writer.add_token_merges(merges or [" ".join(names[index] for index in sorted(tokenizer.special)[:2])])
    known = tokenizer.vocabulary
    ends = [stop for stop in dict.fromkeys((known.eos, *stop_ids)) if stop is not None]
    unknown = tokenizer.roles.get("unk_token")
    for add, value in {
        writer.add_bos_token_id: known.bos,
        writer.add_eos_token_id: ends[0] if ends else None,
        writer.add_eot_token_id: ends[1] if len(ends) > 1 else None,
        writer.add_pad_token_id: known.pad,
        writer.add_unk_token_id: tokenizer.id_of(unknown) if unknown else None,
        writer.add_mask_token_id: known.mask,
    }.items():
        if value is not None:
            add(value)
    frame = frame_of(tokenizer, "decoder")
    for ids, role in ((frame.before, known.bos), (frame.after, known.eos)):
        if ids not in ((), (role,)):
            put = ", ".join(tokenizer.token(index) for index in ids)
            raise ModelError(f"tokenizer.json: puts {put} around a text, llama.cpp only BOS before and EOS after it")
    writer.add_add_bos_token(bool(frame.before))
    writer.add_add_eos_token(bool(frame.after))
    writer.add_add_space_prefix(False)
    named = {"default": tokenizer.chat_template, **tokenizer.chat_templates}
    writer.add_chat_template([{"name": name, "template": text} for name, text in named.items() if text])


def _split(tree: dict[str, Any]) -> str:
    """Return the name that llama.cpp has for the split of a tokenizer."""
    model, before = tree["model"], tree.get("pre_tokenizer") or {}
    parts = before.get("pretokenizers") or [before]
    last, pattern = parts[-1], None
    composed = (tree.get("normalizer") or {}).get("type") == "NFC"
    wrong = {
        f"model {model.get('type')}": model.get("type") != "BPE",
        "normalizer": tree.get("normalizer") and not composed,
        "pre_tokenizer": last.get("type") != "ByteLevel" or last.get("add_prefix_space") or len(parts) > 2,
        "byte_fallback": model.get("byte_fallback"),
    }
    if found := [part for part, bad in wrong.items() if bad]:
        raise ModelError(f"tokenizer.json: {found[0]} cannot be written to GGUF, expected byte-level BPE of plain text")
    if composed:
        warn("tokenizer.json: llama.cpp does not compose letters and marks (NFC), as this tokenizer does")
    if len(parts) == 2 and parts[0].get("type") == "Digits" and parts[0].get("individual_digits"):
        pattern = DIGITS if last.get("use_regex", True) else None
    elif len(parts) == 2:
        pattern = (parts[0].get("pattern") or {}).get("Regex")
    plain = not model["merges"] or (len(parts) == 1 and last.get("use_regex", True))
    name = SPLITS.get((None if plain else pattern or "", bool(model.get("ignore_merges"))))
    if name is None:
        raise ModelError(f"tokenizer.json: llama.cpp has no name that is known here for the split {pattern!r}")
    return name
