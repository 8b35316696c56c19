"""One table for each family: the name of each weight on both sides. It is read both ways, and it is total.

    Rule    our weight is theirs: transposed, or several of ours stacked into one of theirs, if it says so
    Copy    a second name under which some files store the same weight; must be equal, is never written
    Given   a table that their class stores and we compute; must be near, and is written
    Drop    what some files carry beside the weights (masks, frequencies), which we compute

A key that no entry takes and an entry that finds no key are errors that name the key. Nothing here knows a family,
a file or a config.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trivium.base.errors import ModelError
from trivium.base.log import warn
from trivium.model.weights import State


@dataclass(frozen=True, slots=True)
class Rule:
    """`theirs` is `ours`, stacked along the first axis, transposed, and in another `shape`, such as a kernel's."""

    ours: str
    """One name, or several separated by spaces."""
    theirs: str
    transpose: bool = False
    shape: tuple[int, ...] = ()
    optional: bool = False
    """Whether a file may leave it out; it is then zeros."""
    instead: str = ""
    """Their weight of which it is a copy where a file leaves it out."""

    @property
    def parts(self) -> list[str]:
        """Our names in order."""
        return self.ours.split()

    def join(self, tensors: Sequence[Tensor]) -> Tensor:
        """Return theirs, made of ours."""
        tensor = torch.cat(list(tensors)) if len(tensors) > 1 else tensors[0]
        tensor = tensor.reshape(self.shape) if self.shape else tensor
        return tensor.t().contiguous() if self.transpose else tensor

    def split(self, tensor: Tensor, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Return ours, made of theirs, each in its own memory."""
        tensor = tensor.t() if self.transpose else tensor
        tensor = tensor.reshape(tuple(shapes[0])) if self.shape else tensor
        if len(shapes) == 1:
            return [tensor.contiguous()]
        return [
            part.clone(memory_format=torch.contiguous_format) for part in tensor.split([shape[0] for shape in shapes])
        ]


@dataclass(frozen=True, slots=True)
class Copy:
    """`theirs` is a copy of `of`, both in their names."""

    theirs: str
    of: str


@dataclass(frozen=True, slots=True)
class Given:
    """`theirs` is a table that we compute: `value`, of this shape."""

    theirs: str
    shape: tuple[int, ...]
    value: Callable[[], Tensor]


@dataclass(frozen=True, slots=True)
class Drop:
    """Keys that match this pattern as a whole are not read."""

    theirs: str
    head: bool = False
    """Whether they are weights of a head, of which a line tells."""


Table = Sequence[Rule | Copy | Given | Drop]

GIVEN = 4e-3
"""The largest difference between a stored table and ours: sines of large angles, stored as bfloat16."""
OLD = re.compile(r"(?<=LayerNorm\.)(gamma|beta)$")
NEW = {"gamma": "weight", "beta": "bias"}
"""The names of the weight and bias of a norm in files of 2018, such as the first BERTs."""


def layers(
    count: int, ours: str, theirs: str, parts: Mapping[str, str], bias: bool = True, transpose: bool = False
) -> list[Rule]:
    """Return the rules of `count` layers: the linear layers and norms `parts` of ours (several: stacked) are theirs."""
    rules: list[Rule] = []
    for layer in range(count):
        for part, word in parts.items():
            names = " ".join(f"{ours}.{layer}.{one}" for one in part.split())
            rules += linear(names, f"{theirs}.{layer}.{word}", bias, transpose)
    return rules


def linear(ours: str, theirs: str, bias: bool = True, transpose: bool = False) -> list[Rule]:
    """Return the rules of the weight of a linear layer or norm and, if it has one, of its bias."""
    weights, biases = (" ".join(f"{part}.{name}" for part in ours.split()) for name in ("weight", "bias"))
    rules = [Rule(weights, f"{theirs}.weight", transpose)]
    return [*rules, Rule(biases, f"{theirs}.bias")] if bias else rules


def under(lead: str, table: Table) -> Table:
    """Return a table whose names of theirs stand behind `lead`."""
    found: list[Rule | Copy | Given | Drop] = []
    for entry in table:
        if isinstance(entry, Copy):
            entry = replace(entry, of=lead + entry.of)
        elif isinstance(entry, Rule) and entry.instead:
            entry = replace(entry, instead=lead + entry.instead)
        found.append(replace(entry, theirs=(re.escape(lead) if isinstance(entry, Drop) else lead) + entry.theirs))
    return found


def fit(stored: Mapping[str, Sequence[int]], table: Table, shapes: Mapping[str, Sequence[int]]) -> None:
    """Raise a ModelError unless a file with weights of these shapes (their names) has every one of `shapes` (ours)."""
    stored = {_new(key): shape for key, shape in stored.items()}
    rules = [entry for entry in table if isinstance(entry, Rule)]
    needed = [rule.theirs for rule in rules if not rule.optional and rule.instead not in stored]
    _complain("missing", [name for name in needed if name not in stored])
    for rule in rules:
        expected = list(rule.join([torch.empty(tuple(shapes[part]), device="meta") for part in rule.parts]).shape)
        if (found := stored.get(rule.theirs)) is not None and list(found) != expected:
            raise ModelError(f"{rule.theirs}: expected the shape {expected} of config.json, found {list(found)}")
    for entry in table:
        found = stored.get(entry.theirs) if isinstance(entry, Given) else None
        if isinstance(entry, Given) and found is not None and tuple(found) != entry.shape:
            raise ModelError(f"{entry.theirs}: expected the shape {[*entry.shape]} of config.json, found {list(found)}")


def to_ours(state: Mapping[str, Tensor], table: Table, shapes: Mapping[str, Sequence[int]]) -> State:
    """Return each weight of `shapes` (our names) from the `state` of a file (their names); errors name the weight.

    One line tells of weights that a head has and we do not read, and of those that a file leaves out.
    """
    rules = [entry for entry in table if isinstance(entry, Rule)]
    state = {_new(key): tensor for key, tensor in state.items()}
    fit({key: tensor.shape for key, tensor in state.items()}, table, shapes)
    left = dict(state)
    ours: State = {}
    for rule in rules:
        tensor = left.pop(rule.theirs, None)
        if tensor is None and rule.optional:
            ours.update({part: torch.zeros(tuple(shapes[part])) for part in rule.parts})
            continue
        if tensor is None:
            warn(f"{rule.theirs} is not in the file; it begins as a copy of {rule.instead}")
            tensor = state[rule.instead].clone()
        ours.update(zip(rule.parts, rule.split(tensor, [shapes[part] for part in rule.parts]), strict=True))
    heads: list[str] = []
    for entry in table:
        if isinstance(entry, Copy) and (copy := left.pop(entry.theirs, None)) is not None:
            if copy.shape != state[entry.of].shape or not torch.equal(copy, state[entry.of]):
                raise ModelError(f"{entry.theirs}: expected the numbers of {entry.of}, to which config.json ties it")
        elif isinstance(entry, Given) and (stored := left.pop(entry.theirs, None)) is not None:
            if not torch.allclose(stored.float(), entry.value(), atol=GIVEN):
                raise ModelError(f"{entry.theirs}: expected the numbers that config.json says, found others")
        elif isinstance(entry, Drop):
            dropped = [key for key in left if re.fullmatch(entry.theirs, key)]
            left = {key: value for key, value in left.items() if key not in dropped}
            heads += dropped if entry.head else []
    if heads:
        warn(f"{listed(heads)}: weights of heads that are not loaded, {len(heads)} in all")
    _complain("unexpected", left)
    _complain("no rule gives", [key for key in shapes if key not in ours])
    return ours


def _new(key: str) -> str:
    """Return today's name of a weight."""
    return OLD.sub(lambda old: NEW[old[0]], key)


def listed(names: Sequence[str]) -> str:
    """Return the first names of several, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def to_theirs(state: Mapping[str, Tensor], table: Table) -> State:
    """Return each weight of `state` (our names) as a file of the family stores it."""
    rules = [entry for entry in table if isinstance(entry, Rule)]
    taken = [part for rule in rules for part in rule.parts]
    _complain("missing", [part for part in taken if part not in state])
    _complain("no rule takes", sorted(set(state) - set(taken)))
    given = {entry.theirs: entry.value() for entry in table if isinstance(entry, Given)}
    return {rule.theirs: rule.join([state[part] for part in rule.parts]) for rule in rules} | given


def _complain(what: str, keys: Iterable[str]) -> None:
    if keys := list(keys):
        raise ModelError(f"{what} weights: {listed(keys)}")
