"""The weights of a model by name: collect and fill them, make a model without memory, or with more tokens.

A name is the model's own, without the parts that compilation and data parallelism put into it. A tensor that a model
has under several names (tied weights) stands once, under the first. Knows no file.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from trivium.base.errors import ModelError
from trivium.model.config import ModelConfig
from trivium.model.init import Undrawn
from trivium.model.transformer import Transformer

State = dict[str, Tensor]
WRAPPERS = {"_orig_mod", "module", "_checkpoint_wrapped_module"}
"""What compilation, data parallelism and activation checkpointing put into names."""


def slots(model: nn.Module) -> dict[str, tuple[Tensor, list[str]]]:
    """Return each weight by name, with every name that the model has it under."""
    found: dict[int, tuple[Tensor, list[str]]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        found.setdefault(id(tensor), (tensor, []))[1].append(name)
    return {
        ".".join(part for part in places[0].split(".") if part not in WRAPPERS): (tensor, places)
        for tensor, places in found.values()
    }


def finite(tensor: Tensor) -> bool:
    """Return whether no number of a tensor is infinite or NaN."""
    if not tensor.is_floating_point():
        return True
    tensor = tensor.float() if tensor.itemsize == 1 else tensor  # there are no sums of 8 bits
    # A sum is several times faster than a table of answers, and is finite only where all of its terms are.
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())


def collect(model: nn.Module) -> State:
    """Return the weights, contiguous, on the CPU, in the dtype that they are trained in.

    Raise ModelError for a matrix that is packed for reading: its numbers are no longer there.
    """
    if packed := next((name for name, module in model.named_modules() if hasattr(module, "packed")), None):
        raise ModelError(f"{packed} is packed for reading (weights=...); load the model without, and save that")
    return {name: tensor.detach().cpu().contiguous() for name, (tensor, _) in slots(model).items()}


def fill(model: nn.Module, state: State, where: str) -> None:
    """Give a model the weights of `collect`; tied weights stay tied.

    A weight of an `empty` model becomes the tensor of `state`, any other takes its numbers. A missing or unexpected
    name, a wrong shape, and integers or complex numbers are a ModelError that begins with `where`.
    """
    wanted = slots(model)
    if wrong := sorted(set(wanted) ^ set(state)):
        what = "missing" if wrong[0] in wanted else "unexpected"
        raise ModelError(f"{where}: {what} weight {wrong[0]!r} ({len(wrong)} keys differ); is it another model's?")
    for name, (tensor, places) in wanted.items():
        source = state[name]
        if source.shape != tensor.shape:
            raise ModelError(f"{where}: {name}: expected shape {list(tensor.shape)}, found {list(source.shape)}")
        if source.is_floating_point() != tensor.is_floating_point():
            raise ModelError(f"{where}: {name}: expected {tensor.dtype} or another float, found {source.dtype}")
        if isinstance(tensor, nn.Parameter) and not tensor.is_meta:
            with torch.no_grad():
                tensor.copy_(source)
            continue
        # A buffer takes the dtype of the file too, as its neighbours do.
        trained = isinstance(tensor, nn.Parameter)
        made = nn.Parameter(source, tensor.requires_grad) if trained else source.to(tensor.device, copy=True)
        for place in places:
            path, _, leaf = place.rpartition(".")
            setattr(model.get_submodule(path), leaf, made)


def empty(config: ModelConfig) -> Transformer:
    """Return a Transformer whose parameters have no memory until `fill`, and whose buffers are computed."""

    def hollow(module: nn.Module, name: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
        if parameter is None or parameter.is_meta:
            return parameter
        return nn.Parameter(parameter.data.to("meta"), parameter.requires_grad)

    hook = register_module_parameter_registration_hook(hollow)  # type: ignore[arg-type]
    try:
        with Undrawn():
            return Transformer(config)
    finally:
        hook.remove()


def hollow(config: ModelConfig) -> dict[str, torch.Size]:
    """Return the shape of each weight that a model of this config has; nothing has memory.

    A ModelError tells of sizes of which no tensor can be made.
    """
    try:
        with torch.device("meta"), Undrawn():
            return {name: tensor.shape for name, (tensor, _) in slots(Transformer(config)).items()}
    except (RuntimeError, TypeError, OverflowError) as wrong:
        sizes = f"vocab_size {config.vocab_size}, hidden_size {config.hidden_size}, context {config.context}"
        raise ModelError(f"no model has such sizes: {sizes}") from wrong


def resize(model: Transformer, vocab_size: int, known: int | None = None) -> Transformer:
    """Return the model with `vocab_size` tokens; the rows from `known` on (default: the new rows) are the mean.

    A mean of the old rows (Hewitt 2021) shifts the probabilities of old tokens no more than by the share of a typical
    token: the model writes as before until the new rows are trained.
    """
    old = model.config.vocab_size
    known = old if known is None else min(known, old)
    assert vocab_size >= old, "a vocabulary only grows"
    made = Transformer(model.config.model_copy(update={"vocab_size": vocab_size}))
    wanted, state = made.state_dict(), model.state_dict()
    for name, table in wanted.items():
        if table.shape == state[name].shape and not (table.shape[0] == vocab_size and known < vocab_size):
            continue
        rows = state[name][:known]
        mean = rows.float().mean(dim=0, keepdim=True).to(rows.dtype)
        state[name] = torch.cat([rows, mean.expand(vocab_size - known, *rows.shape[1:])])
    made.load_state_dict(state)
    return made.to(model.tokens.weight.device, model.tokens.weight.dtype).train(model.training)
