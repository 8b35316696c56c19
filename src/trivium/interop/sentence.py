"""The files of sentence-transformers beside a model: how hidden states become one vector for a text.

modules.json lists the steps: the model, pooling, dense layers, the division by the length. A step or a setting that we
do not have is a ModelError that names it. The layers after pooling are weights of our head.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from trivium.base import files
from trivium.base.config import parse
from trivium.base.errors import ConfigError, ModelError
from trivium.base.log import warn
from trivium.base.types import Vocabulary
from trivium.interop.families import stock
from trivium.interop.weights import tensors
from trivium.model.config import ModelConfig
from trivium.model.layer.head import LM, Hidden
from trivium.model.layer.score import LabelHead, SentenceEmbedding
from trivium.model.vectors import Vectors, usual_pool
from trivium.model.weights import State
from trivium.token.tokenizer import Tokenizer

Tree = dict[str, Any]
MODES = {
    "first": ("cls", "pooling_mode_cls_token"),
    "max": ("max", "pooling_mode_max_tokens"),
    "mean": ("mean", "pooling_mode_mean_tokens"),
    "mean_sqrt_len": ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens"),
    "weightedmean": ("weightedmean", "pooling_mode_weightedmean_tokens"),
    "last": ("lasttoken", "pooling_mode_lasttoken"),
}
"""Our pooling -> the word of version 6 and the key of versions before, in the order in which those stand."""
PLACE = "torch.nn.modules."
ACTIVATIONS = {
    None: f"{PLACE}linear.Identity",
    "tanh": f"{PLACE}activation.Tanh",
    "relu": f"{PLACE}activation.ReLU",
    "gelu": f"{PLACE}activation.GELU",
    "silu": f"{PLACE}activation.SiLU",
}
"""Our activation of a dense layer -> the class that the files name."""
MODULES, SETTINGS, CROSS = "modules.json", "config_sentence_transformers.json", "CrossEncoder"


DENSE = "head.dense."
"""How the names of the weights of the layers after pooling begin."""


@dataclass
class Sentence:
    """What the files say."""

    body: str = ""
    """The folder of the model itself, inside the folder."""
    vectors: Vectors | None = None
    """How vectors are made; None if the files make none."""
    head: SentenceEmbedding | None = None
    """The layers after pooling, if there are any."""
    state: State = field(default_factory=dict)
    """Their weights, by our names."""
    keys: Tree = field(default_factory=dict)
    """The keys of config.json in whose place they speak: what a cross-encoder makes of a score."""


def read(folder: Path, dtype: torch.dtype | None = torch.float32) -> Sentence:
    """Return what the files of a folder say, weights as `dtype`; without modules.json they make no vectors."""
    if not (folder / MODULES).is_file():
        return Sentence()
    steps = [(str(step.get("type", "")).rpartition(".")[2], str(step.get("path", ""))) for step in _steps(folder)]
    found = Sentence(steps[0][1])
    if steps[0][0] != "Transformer":
        raise ModelError(f"{folder / MODULES}: {steps[0][0]}: expected a Transformer as the first step")
    settings = _object(folder / SETTINGS)
    if settings.get("model_type") == CROSS or len(steps) == 1:
        if settings.get("default_prompt_name") is not None:
            raise ModelError(f"{folder / SETTINGS}: default_prompt_name: a prompt of a cross-encoder is not supported")
        if settings.get("activation_fn") is not None:
            found.keys = {"sentence_transformers": {"activation_fn": settings["activation_fn"]}}
        _refuse(folder / MODULES, [kind for kind, _ in steps[1:]], [])
        return found
    _refuse(folder / MODULES, [steps[1][0]], ["Pooling"])
    vectors = {
        **_pooling(folder / steps[1][1] / "config.json"),
        **_read_body(folder / found.body),
        **_prompts(settings),
    }
    normalise, dense = False, []
    for kind, path in steps[2:]:
        _refuse(folder / MODULES, [kind], ["Normalize"] if normalise else ["Dense", "Normalize", "Dropout"])
        if kind == "Dropout":
            warn(f"{folder / path}: left out, for it changes nothing outside training")
        elif kind == "Dense":
            dense.append(_dense(folder / path / "config.json"))
            for name, tensor in tensors.read(folder / path, dtype).items():
                found.state[f"{DENSE}{len(dense) - 1}.{name.removeprefix('linear.')}"] = tensor
        normalise = normalise or kind == "Normalize"
    try:
        found.vectors = parse(Vectors, {**vectors, "normalise": normalise}, str(folder / MODULES))
        found.vectors.prefix(None)
        if dense:
            found.head = parse(
                SentenceEmbedding, {"pool": list(vectors["pool"]), "dense": dense}, str(folder / MODULES)
            )
    except ConfigError as wrong:
        raise ModelError("; ".join(str(wrong).splitlines())) from wrong
    return found


def _steps(folder: Path) -> list[Tree]:
    tree = files.read_json(folder / MODULES, ModelError)
    if not isinstance(tree, list) or not tree or not all(isinstance(step, dict) for step in tree):
        raise ModelError(f"{folder / MODULES}: expected a list of modules")
    return tree


def _object(file: Path) -> Tree:
    tree = files.read_json(file, ModelError) if file.is_file() else {}
    if not isinstance(tree, dict):
        raise ModelError(f"{file}: expected an object, found {type(tree).__name__}")
    return tree


def _refuse(file: Path, kinds: list[str], known: list[str]) -> None:
    if wrong := [kind for kind in kinds if kind not in known]:
        raise ModelError(
            f"{file}: {wrong[0]} is not supported here; expected {' or '.join(known) or 'no more modules'}. Without "
            f"{MODULES} the model loads alone"
        )


def _read_body(folder: Path) -> Tree:
    """Return the length and the case of the texts."""
    settings = _object(next(iter(sorted(folder.glob("sentence_*_config.json"))), folder / "sentence_bert_config.json"))
    length, lower = settings.get("max_seq_length"), settings.get("do_lower_case") or False
    if length is None and (folder / "tokenizer.json").is_file():
        length = Tokenizer.load(folder).limit
    return {"length": length, "lower": lower}


def _prompts(settings: Tree) -> Tree:
    prompts = settings.get("prompts") or {}
    if not isinstance(prompts, dict):
        raise ModelError(f"{SETTINGS}: prompts: expected an object, found {json.dumps(prompts)}")
    return {
        "prompts": {name: text for name, text in prompts.items() if text is not None},
        "prompt": settings.get("default_prompt_name"),
        "similarity": settings.get("similarity_fn_name"),
    }


def _pooling(file: Path) -> Tree:
    tree = _object(file)
    words = {word: ours for ours, (word, _) in MODES.items()}
    said = tree.get("pooling_mode") or [word for word, key in MODES.values() if tree.get(key) is True] or ["mean"]
    said = [said] if isinstance(said, str) else said
    on = [key for key, value in tree.items() if key.startswith("pooling_mode_") and value is True]
    if wrong := [mode for mode in [*said, *on] if mode not in words and mode not in dict(MODES.values()).values()]:
        raise ModelError(f"{file}: pooling_mode: {wrong[0]!r} is not supported; known: {', '.join(words)}")
    return {"pool": [words[mode] for mode in said], "include_prompt": tree.get("include_prompt", True)}


def _dense(file: Path) -> Tree:
    tree = _object(file)
    usual = {"use_residual": False, "module_input_name": "sentence_embedding"}
    usual["module_output_name"] = usual["module_input_name"]
    for key, value in usual.items():
        if tree.get(key) not in (None, value):
            raise ModelError(f"{file}: {key}: {tree[key]!r} is not supported, expected {value!r}")
    name = str(tree.get("activation_function", ACTIVATIONS["tanh"]))
    known = {theirs.rpartition(".")[2]: ours for ours, theirs in ACTIVATIONS.items()}
    word = name.rpartition(".")[2]
    if word not in known or not name.startswith("torch."):
        raise ModelError(f"{file}: activation_function: {name!r} is not supported; known: {', '.join(known)}")
    return {"size": tree.get("out_features"), "bias": tree.get("bias", True), "activation": known[word]}


def vectors_of(record: Mapping[str, Any], config: ModelConfig) -> Vectors | None:
    """Return how a model makes vectors, if its record or its head says so."""
    if isinstance(config.head, LabelHead) or not ("vectors" in record or isinstance(config.head, SentenceEmbedding)):
        return None
    found = Vectors.of(record)
    return found.replace(pool=found.pool or usual_pool(config))


def bare(config: ModelConfig, vocabulary: Vocabulary | None) -> ModelConfig:
    """Return the config of the model beside the files: without a head, or with one that has no weights of its own."""
    heads = (Hidden(), LM()) if config.tie else (Hidden(),)
    others = [config.model_copy(update={"head": head}) for head in heads]
    fits = isinstance(config.head, SentenceEmbedding)
    return next((one for one in others if fits and stock(one, vocabulary)[0] is not None), config)


def write(folder: Path, config: ModelConfig, vectors: Vectors, state: Mapping[str, Any]) -> None:
    """Write the files into a model folder; `state` has the weights of the head by our names."""
    dense = config.head.dense if isinstance(config.head, SentenceEmbedding) else ()
    pool = vectors.pool or ()
    steps, width = ["", "1_Pooling"], config.hidden_size * len(pool)
    files.write_json(
        folder / "1_Pooling" / "config.json", {**_modes(pool, config), "include_prompt": vectors.include_prompt}
    )
    for at, layer in enumerate(dense):
        steps.append(f"{len(steps)}_Dense")
        said: Tree = {"in_features": width, "out_features": layer.size, "bias": layer.bias}
        said["activation_function"] = ACTIVATIONS[layer.activation]
        files.write_json(folder / steps[-1] / "config.json", said)
        own = f"{DENSE}{at}."
        weights = {f"linear.{name.removeprefix(own)}": one for name, one in state.items() if name.startswith(own)}
        tensors.write_file(folder / steps[-1] / tensors.SINGLE, weights)
        width = layer.size
    if vectors.normalise:
        steps.append(f"{len(steps)}_Normalize")
        files.write_json(folder / steps[-1] / "config.json", {})
    kinds = ["Transformer", *(step.partition("_")[2] for step in steps[1:])]
    table = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(zip(steps, kinds, strict=True))
    ]
    files.write_json(folder / MODULES, table)
    length = {"max_seq_length": vectors.length or config.context, "do_lower_case": vectors.lower}
    files.write_json(folder / "sentence_bert_config.json", length)
    if vectors.prompts or vectors.similarity:
        told = {"prompts": dict(vectors.prompts), "default_prompt_name": vectors.prompt}
        files.write_json(folder / SETTINGS, {**told, "similarity_fn_name": vectors.similarity})


def _modes(pool: tuple[str, ...], config: ModelConfig) -> Tree:
    """Return the keys of the pooling: of all versions, where those before 6 can say the order."""
    words = [MODES[mode][0] for mode in pool]
    width = {"word_embedding_dimension": config.hidden_size}
    if list(pool) != [mode for mode in MODES if mode in pool]:
        return {**width, "pooling_mode": words}
    return width | {key: word in words for word, key in MODES.values()}
