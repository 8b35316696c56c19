"""Add an adapter of peft to the weights of the model that it was trained on, in the names of the stock class.

The result is that of the adapter beside its base, not of peft's merge: where only one of two tied tables has a change,
the two are parted. Where a stock class keeps several of our matrices in one, each takes its rows of the sum.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from trivium.base import files
from trivium.base.config import parse
from trivium.base.errors import ModelError
from trivium.base.folder import HUB, cached, hint
from trivium.base.log import warn
from trivium.interop import rules
from trivium.interop.adapter.config import PeftConfig, read_config
from trivium.interop.adapter.save import CONFIG, HEAD, ROOT, WEIGHTS, tables_of
from trivium.interop.equip import equip
from trivium.interop.rules import Copy, Rule
from trivium.interop.weights import check, tensors
from trivium.model.layer.head import Head
from trivium.model.transformer import Transformer
from trivium.model.weights import collect, empty, fill, slots

PART = re.compile(
    r"(.+)\.(lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_B\.bias|lora_magnitude_vector|trainable_tokens_delta)"
)
"""A key without `.weight`: the name of a module, and what the adapter has for it."""
INPUT = "embed_tokens.weight"
"""How the names of copies end from which a stack reads its input; other copies of the token table are of the head."""


class Bound:
    """The weights of a model in the names of its stock class, where several names may be bound to one tensor."""

    def __init__(self, state: Mapping[str, Tensor], copies: Iterable[Copy]) -> None:
        self.of = {copy.theirs: copy.of for copy in copies}
        self.state = {**state, **{name: state[of] for name, of in self.of.items()}}

    def put(self, name: str, tensor: Tensor, alone: bool) -> None:
        """Give a weight other numbers: it `alone`, or each that is bound to it; a ModelError if it has no place."""
        if name not in self.state:
            raise ModelError(f"unexpected weights: {name}; is it another model's adapter?")
        old = self.state[name]
        if old.shape != tensor.shape:
            raise ModelError(f"{name}: expected shape {list(old.shape)}, found {list(tensor.shape)}")
        root = self.of.get(name, name)
        for one in [name] if alone else [root, *(copy for copy, of in self.of.items() if of == root)]:
            self.state[one] = tensor.to(old.dtype)


def load_adapter(folder: str | Path, model: Transformer) -> Transformer:
    """Add the adapter of a folder to the weights of its base model, and return the model.

    Where it parts the table of the head from that of the tokens, return a new model, untied, with a warning; where it
    brings the head of a task that the base has not, a new model with that head. A
    ModelError names what peft would compute and we do not, and weights that have no place in the model.
    """
    folder = Path(folder)
    config, model = read_config(folder / CONFIG), _headed(folder, model)
    tables = tables_of(folder, model)
    if not (folder / WEIGHTS).is_file() and (pickled := folder / "adapter_model.bin").is_file():
        raise ModelError(f"{pickled}: pickled weights are never read, they can run code; save it again as {WEIGHTS}")
    try:
        plain, parts = _sorted({key.removeprefix(ROOT): value for key, value in _read(folder).items()})
        table = _named(tables, parts)
        own = [entry for entry in table if isinstance(entry, Rule)]
        bound = Bound(rules.to_theirs(collect(model), own), (entry for entry in table if isinstance(entry, Copy)))
        for name, tensor in plain.items():
            bound.put(name, tensor, alone=config.saves(name.rpartition(".")[0]))
        flipped = {entry.theirs for entry in own if entry.transpose}
        unused = [module for module, part in parts.items() if not _add(config, bound, module, part, flipped)]
        tokens = next((entry.theirs for entry in own if entry.ours == "tokens.weight"), "")
        head = _join(bound, tokens, config.ensure_weight_tying) if tokens else None
        shapes = {name: tensor.shape for name, (tensor, _) in slots(model).items()}
        ours = rules.to_ours({entry.theirs: bound.state[entry.theirs] for entry in own}, own, shapes)
    except ModelError as wrong:
        raise ModelError(f"{folder / WEIGHTS}: {wrong}") from wrong
    _tell(folder, config, unused, [name.removesuffix(".weight") for name in bound.state], parts)
    if head is None:
        fill(model, ours, str(folder))
        return model
    warn(f"{folder}: the adapter changes only one of {tokens} and the head's table: the model is no longer tied")
    made = empty(model.config.model_copy(update={"tie": False}))
    fill(made, {**ours, "head.weight": head.clone()}, str(folder))
    return made.to(model.device).train(model.training)


def base_of(folder: Path, fetched: bool = False) -> str | Path:
    """Return the model of an adapter: where it says, of that name beside its folder, in the hub's cache, or it itself.

    The base of an adapter that was `fetched` from the hub lies on the hub too. A ModelError says where it is expected.
    """
    tree = files.read_json(folder / CONFIG, ModelError)
    name = tree.get("base_model_name_or_path") if isinstance(tree, dict) else None
    places = [Path(str(name)), folder.parent / Path(str(name)).name]
    for place in [*places, cached(str(name)), folder]:
        if place is not None and (place / "config.json").is_file():
            return place
    if fetched:
        return f"{HUB}{name}"
    raise ModelError(
        f"{folder / CONFIG}: base_model_name_or_path: expected a model folder, found {name!r}; "
        f"put the model at {places[1]}" + (f": trivium import {HUB}{name} -o {places[1]}" if hint(str(name)) else "")
    )


def _headed(folder: Path, model: Transformer) -> Transformer:
    """Return the model with the head that was trained beside an adapter of ours; its weights are in the adapter."""
    path = folder / check.OURS
    about = files.read_json(path, ModelError) if path.is_file() else None
    if not isinstance(about, dict) or about.get(HEAD) is None:
        return model
    with torch.random.fork_rng():
        return equip(model, parse(Head, about[HEAD], f"{path}: {HEAD}"))


def _named(tables: Sequence[rules.Table], modules: Iterable[str]) -> rules.Table:
    """Return the first table that names all these modules; where none does, today's."""
    wanted = {f"{name}.weight" for name in modules}
    return next((table for table in tables if wanted <= {entry.theirs for entry in table}), tables[0])


def _read(folder: Path) -> dict[str, Tensor]:
    found = tensors.read_file(folder / WEIGHTS)
    return {key: tensor.float() for key, tensor in found.items()}


def _sorted(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Split the weights of a file into whole ones by name, and the parts of the adapters by module and part."""
    plain: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        if (found := PART.fullmatch(key.removesuffix(".weight"))) is None:
            plain[key.replace(".base_layer.", ".")] = tensor
        else:
            parts.setdefault(found[1].removesuffix(".token_adapter"), {})[found[2]] = tensor
    if not parts:
        raise ModelError("holds no adapter")
    return plain, parts


def _add(config: PeftConfig, bound: Bound, module: str, parts: dict[str, Tensor], flipped: set[str]) -> bool:
    """Add what an adapter has for one module; return False where its config leaves the module out."""
    name = f"{module}.weight"
    if name not in bound.state:
        raise ModelError(f"unexpected weights: {module}.{next(iter(parts))}; is it another model's adapter?")
    if (rows := parts.get("trainable_tokens_delta")) is not None:
        index, matrix = torch.tensor(config.tokens(module), dtype=torch.long), bound.state[name].float()
        if len(index) != len(rows) or (len(index) and not 0 <= int(index.min()) <= int(index.max()) < len(matrix)):
            raise ModelError(f"{module}: expected {len(rows)} of its rows in trainable_token_indices, found {index}")
        bound.put(name, matrix.index_copy(0, index, rows), alone=False)
        return True
    if not config.targets(module) and not (config.ensure_weight_tying and name in bound.of):
        return False
    table = "lora_embedding_A" in parts
    a, b = (parts.get(f"lora_{'embedding_' * table}{which}") for which in "AB")
    if a is None or b is None:
        raise ModelError(f"{module}: expected lora_A and lora_B, found {', '.join(parts)}")
    matrix = bound.state[name].float()
    shape, matrix = matrix.shape, matrix.flatten(1)
    a, b = (part.flatten(1) if part.ndim == len(shape) == 4 else part for part in (a, b))  # of a convolution
    flip = table or name in flipped  # a table of tokens and a Conv1D are stored as [in, out]
    matrix = matrix.t() if flip else matrix
    if a.ndim != 2 or b.ndim != 2 or (len(b), a.shape[1]) != matrix.shape or len(a) != b.shape[1]:
        raise ModelError(
            f"{module}: an adapter of {a.shape[-1]} to {len(b)} does not fit a layer of "
            f"{matrix.shape[1]} to {matrix.shape[0]}; is it another model's adapter?"
        )
    scale = config.scale(module, len(a))
    if flip and config.init_lora_weights == "olora":
        raise ModelError(
            f"{module}: init_lora_weights = 'olora' on a matrix that is stored transposed is not supported"
        )
    matrix = config.base(matrix, len(a), scale) + scale * b @ a
    if config.use_dora:
        if (length := parts.get("lora_magnitude_vector")) is None or length.shape != (len(matrix),):
            raise ModelError(f"{module}: use_dora needs a lora_magnitude_vector of {len(matrix)} numbers")
        matrix = matrix * (length / torch.linalg.norm(matrix, dim=1))[:, None]
    bound.put(name, (matrix.t() if flip else matrix).reshape(shape).contiguous(), alone=True)
    if (shift := parts.get("lora_B.bias")) is not None:
        if (bias := bound.state.get(f"{module}.bias")) is None:
            raise ModelError(f"{module}: lora_bias on a layer without a bias is not supported")
        bound.put(f"{module}.bias", bias + scale * shift, alone=True)
    return True


def _join(bound: Bound, tokens: str, tied: bool) -> Tensor | None:
    """Give the token table the numbers that the stacks read; return the head's unless they are `tied` or the same."""
    shared = [name for name, of in bound.of.items() if of == tokens]
    inputs = [name for name in shared if name.endswith(INPUT)] or [tokens]
    for name, of in bound.of.items():
        first = inputs[0] if name in inputs else of
        if (name in inputs or of != tokens) and not torch.equal(bound.state[name], bound.state[first]):
            raise ModelError(f"{name} and {first}: the adapter gives them different numbers, and the model has one")
    bound.state[tokens] = bound.state[inputs[0]]
    heads = [bound.state[name] for name in shared if name not in inputs and not tied]
    return next((head for head in heads if not torch.equal(head, bound.state[tokens])), None)


def _tell(folder: Path, config: PeftConfig, unused: list[str], modules: list[str], parts: Iterable[str]) -> None:
    """Name the adapters that the config leaves out, and the modules that it names and that have none."""
    if unused:
        warn(f"{folder / CONFIG}: leaves out {len(unused)} modules that have weights, {unused[0]} first; as peft does")
    named = config.target_modules not in (None, "all-linear")
    if missing := [name for name in modules if named and config.targets(name) and name not in {*parts}]:
        warn(f"{folder / WEIGHTS}: no weights for {len(missing)} modules of {CONFIG}, {missing[0]} first: unchanged")
