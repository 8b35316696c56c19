"""config.json as a table of entries that one engine reads both ways.

    key       one key, one value, one or more fields of our config
    only      a key with one supported value; another value is an error
    told      keys for other readers: written, never read
    unread    keys without effect on the forward pass in evaluation

A field is a dotted path in the tree of `resolve`; `*` stands for every stack. Nothing here knows a family.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from trivium.base.config import dump
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.model.config import ModelConfig

Tree = dict[str, Any]

ACTIVATIONS = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "relu": "relu",
    "relu2": "relu2",
    "tanh": "tanh",
}
"""Their name of an activation -> ours. We write the first of several."""


def resolve(config: ModelConfig) -> Tree:
    """Return a config as plain data with its derived values: inner widths, K, E, biases, the kinds of every layer."""
    tree = dump(config)
    joined = config.encoder is not None and config.decoder is not None
    tree |= {"project": config.projects, "image_token": config.placeholder}
    for name, stack in config.stacks.items():
        width, embed = config.width(name), config.reads(name)
        attention = dump(stack.attention(width))
        tree[name] |= {"hidden_size": None if width == config.hidden_size else width}
        tree[name] |= {"embed": None if embed == config.embed and not embed.patch_size else dump(embed)}
        tree[name] |= {"cross": name == "encoder" or not joined or stack.cross}
        kinds = [stack.kind(layer) for layer in range(stack.layers)]
        tree[name] |= {
            **{key: attention[key] for key in ("kv_heads", "head_size", "output_bias")},
            "score_scale": attention["scale"],
            "ffn": {**dump(stack.ffn), "size": stack.ffn.width(width)},
            "pattern": {str(layer): dump(pattern) for layer, (pattern, _) in enumerate(kinds)},
            "position": {str(layer): dump(position) for layer, (_, position) in enumerate(kinds)},
        }
    return tree


class Ours:
    """Our side of a table while config.json is written, with the kinds of each layer of the first stack."""

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary | None, architecture: str) -> None:
        self.config, self.vocabulary, self.architecture = config, vocabulary, architecture
        self.tree = resolve(config)
        stack = next(iter(config.stacks.values()))
        kinds = [stack.kind(layer) for layer in range(stack.layers)]
        self.patterns, self.positions = [pattern for pattern, _ in kinds], [position for _, position in kinds]

    def get(self, path: str, default: Any = None) -> Any:
        """Return the value at a dotted path, of the first stack for `*`; `default` if this config has no such field."""
        found: Any = self.tree
        for part in path.replace("*", next(iter(self.config.stacks))).split("."):
            if not isinstance(found, dict) or part not in found:
                return default
            found = found[part]
        return found


@dataclass(frozen=True)
class Entry:
    """Keys of config.json that say one thing together."""

    defaults: Tree
    """The keys, each with the value that the stock class takes if the file leaves it out."""
    read: Callable[[Tree], Tree] = lambda theirs: {}
    """Return our fields by dotted path. A ModelError names the key that we do not support."""
    write: Callable[[Ours], Tree] = lambda ours: {}
    """Return their keys. A key for which our config has no field is left out, so that its default is read back."""
    at: str = ""
    """The fields, separated by spaces, of an entry that is one value."""
    stands: str | None = None
    """Of dropouts that our config has not apart: the key whose rate stands in for them, empty for none."""


LARGEST = 2**40
"""No number of a config.json is larger; a base of RoPE comes nearest."""


def fields(entry: Entry, theirs: Tree, names: Sequence[str], said: Mapping[str, str] = MappingProxyType({})) -> Tree:
    """Return the fields of an entry, or raise a ModelError that names its keys (`names`, as the file has them).

    `said` is for each key the second name that the file has for it.
    """
    try:
        found = entry.read(theirs)
    except ModelError as wrong:
        name, colon, rest = str(wrong).partition(": ")
        raise ModelError(f"{said.get(name, name)}{colon}{rest}") from wrong
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError) as wrong:
        values = ", ".join(
            f"{json.dumps(theirs[name]):.80}" for name in entry.defaults if said.get(name, name) in names
        )
        raise ModelError(f"{', '.join(names)}: {values} is not supported") from wrong
    for value in found.values():
        if (strange := next((leaf for leaf in _numbers(dump(value)) if not abs(leaf) <= LARGEST), None)) is not None:
            raise ModelError(f"{', '.join(names)}: {strange} is not supported, expected at most {LARGEST}")
    return found


def _numbers(tree: Any) -> Iterator[float]:
    """Yield the numbers of a tree."""
    if isinstance(tree, dict | list):
        for value in tree.values() if isinstance(tree, dict) else tree:
            yield from _numbers(value)
    elif isinstance(tree, int | float):
        yield tree


@dataclass(frozen=True)
class Form:
    """Two spellings of one value: `read` maps theirs to ours, `write` ours to theirs."""

    read: Callable[[Any], Any] = lambda value: value
    write: Callable[[Any], Any] = lambda value: value


def _read_activation(name: Any) -> str:
    if name not in ACTIVATIONS:
        raise ModelError(f"{name!r} is not supported; known: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


SAME = Form()
ACTIVATION = Form(_read_activation, lambda name: next(theirs for theirs, ours in ACTIVATIONS.items() if ours == name))
DROPOUT = Form(lambda value: value or 0.0)
"""A rate; null is 0."""


def key(name: str, default: Any, at: str, form: Form = SAME) -> Entry:
    """Return the entry of one key whose value every field `at` takes, and the first gives."""

    def read(theirs: Tree) -> Tree:
        found = theirs[name]
        try:
            return dict.fromkeys(at.split(), form.read(found))
        except ModelError as wrong:
            raise ModelError(f"{name}: {wrong}") from wrong
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as wrong:
            raise ModelError(f"{name}: {json.dumps(found)} is not supported") from wrong

    def write(ours: Ours) -> Tree:
        found = ours.get(at.split()[0], ours)
        return {} if found is ours else {name: form.write(found)}

    return Entry({name: default}, read, write, at)


def only(name: str, value: Any, write: bool = False) -> Entry:
    """Return the entry of a key with one supported value; null, 0 and what is empty count as false."""

    def read(theirs: Tree) -> Tree:
        if ((found := theirs[name]) or None) != (value or None):
            raise ModelError(f"{name}: {json.dumps(found)} is not supported, expected {json.dumps(value)}")
        return {}

    return Entry({name: value}, read, lambda ours: {name: value} if write else {})


def told(**values: Any) -> Entry:
    """Return the entry of keys that other readers ask for; a value is a constant or a function of our side."""
    return Entry(
        dict.fromkeys(values),
        write=lambda ours: {name: value(ours) if callable(value) else value for name, value in values.items()},
    )


def token(name: str, role: str, required: bool = False) -> Entry:
    """Return the entry of the id of a special token: written from the tokenizer, never read.

    Without a tokenizer it is null, so that no reader falls back to an id of its own; `required` is for classes that
    refuse null, and leaves the key out.
    """

    def write(ours: Ours) -> Tree:
        index = getattr(ours.vocabulary, role, None)
        index = None if index is not None and index >= ours.config.vocab_size else index
        return {} if index is None and required else {name: index}

    return Entry({name: None}, write=write)


def std(name: str) -> Entry:
    """Return the entry of the standard deviation of a fresh model."""
    return told(**{name: lambda ours: ours.get("init.std")})


def unread(*names: str) -> Entry:
    """Return the entry of keys without effect on the forward pass in evaluation."""
    return Entry(dict.fromkeys(names))


def rates(*names: str, stands: str = "") -> Entry:
    """Return the entry of dropouts that our config has not apart; training has the rate of `stands` there, or none."""

    def write(ours: Ours) -> Tree:
        return dict.fromkeys(names, ours.get("*.dropout") if stands else 0.0)

    return Entry(dict.fromkeys(names, 0.0), write=write, stands=stands)


def _divides(ours: Ours) -> Tree:
    heads, width = ours.get("*.heads"), ours.config.hidden_size
    if width % heads:
        raise ModelError(f"heads: {heads}, {ours.architecture} needs a divisor of hidden_size {width}")
    return {}


DIVIDES = Entry({}, write=_divides)
"""No key: the class refuses heads that do not divide the width, whatever the head size."""
TOKENS = [token(f"{role}_token_id", role) for role in ("bos", "eos", "pad")]

_FILE = (
    "architectures auto_map model_type name_or_path _name_or_path _commit_hash transformers_version tokenizer_class "
    "torch_dtype dtype torchscript use_bfloat16 is_encoder_decoder quantization_config"
)
"""How the folder was saved. `quantization_config` is read with the weights."""
_RUN = (
    "output_attentions output_hidden_states return_dict use_return_dict use_cache attn_implementation "
    "_attn_implementation _attn_implementation_autoset _attn_implementation_internal experts_implementation "
    "_experts_implementation_internal chunk_size_feed_forward tie_last_hidden_states gradient_checkpointing "
    "pretraining_tp tf_legacy_loss output_past cache_implementation cache_config"
)
"""How a pass is run, and what it returns beside the logits."""
_TRAINING = "finetuning_task task_specific_params problem_type id2label label2id num_labels _num_labels label_names"
"""What the model was trained for. Labels are read where the class has a head for them."""
_GENERATION = (
    "max_length max_new_tokens min_length min_new_tokens early_stopping max_time do_sample num_beams num_beam_groups "
    "diversity_penalty penalty_alpha temperature top_k top_p min_p typical_p epsilon_cutoff eta_cutoff "
    "repetition_penalty encoder_repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size "
    "bad_words_ids force_words_ids renormalize_logits constraints forced_bos_token_id forced_eos_token_id "
    "remove_invalid_values exponential_decay_length_penalty suppress_tokens begin_suppress_tokens sequence_bias "
    "assistant_confidence_threshold assistant_lookbehind target_lookbehind num_assistant_tokens "
    "num_assistant_tokens_schedule num_return_sequences output_scores output_logits return_dict_in_generate "
    "guidance_scale decoder_start_token_id sep_token_id cls_token_id mask_token_id unk_token_id prefix"
)
"""How text is generated, and ids that other files say too."""
GENERATION = frozenset(_GENERATION.split())
"""The keys of generation in a config.json; older folders have no generation_config.json."""
EVERY: list[Entry] = [
    unread(*_FILE.split(), *_RUN.split(), *_TRAINING.split(), *_GENERATION.split()),
    only("pruned_heads", None),
    only("per_layer_config", None),
    only("tie_encoder_decoder", False),
    only("cross_attention_hidden_size", None),
]
"""Rows of every family's table; a family's own row of the same key wins."""
