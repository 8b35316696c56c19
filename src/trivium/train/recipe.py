"""One run as one frozen tree: what the file, the command line and the saved recipe.json all mean."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from trivium.base import plugin
from trivium.base.config import Choice, Config, Seq, override, parse, read_toml
from trivium.data.rows import Packing, Tail
from trivium.data.shards import read_manifest
from trivium.model.adapt import Lora
from trivium.model.config import ModelConfig
from trivium.objective.causal import CausalLM
from trivium.objective.objective import Objective
from trivium.rows.read import RowReading
from trivium.rows.shorten import Policy
from trivium.token.template import Template
from trivium.train.loss.loss import Loss
from trivium.train.loss.token import TokenLoss
from trivium.train.optim import AdamW, Optim
from trivium.train.schedule import Cosine, Schedule

EVERY_LOSS = {"label_smoothing", "z_loss", "temperature", "beta", "chunk_rows"}
"""The fields of `loss` in recipes that were saved before each loss had its own."""


class DataConfig(Config):
    """What is read. `path` is a data folder of `trivium prepare`, several of them, or files of conversation rows."""

    path: Seq[str]
    weights: Seq[float] = ()
    """The share of rows that each of several data folders gives; by default as many as it has."""
    valid: Seq[str] = ()
    """Files of rows to evaluate on; a data folder has its own held-out documents."""
    length: int | None = Field(None, gt=1)
    """Tokens in a row; None is the model's context."""
    packing: Packing = "bestfit"
    tail: Tail = "pad"
    """What becomes of a last row that documents packed by `concat` do not fill."""
    rows: RowReading = RowReading()
    """How files of rows are read; by default their keys say what they are."""
    too_long: Policy = "drop"
    """What becomes of a conversation that is longer than a row: see rows/shorten."""
    isolate: bool = True
    """Whether documents that share a row are kept from seeing each other."""

    @model_validator(mode="before")
    @classmethod
    def _one(cls, data: Any) -> Any:
        """A single path may stand without brackets."""
        if isinstance(data, dict):
            return {k: [v] if k in ("path", "valid") and isinstance(v, str) else v for k, v in data.items()}
        return data

    @model_validator(mode="after")
    def _weighed(self) -> Self:
        if self.weights and (len(self.weights) != len(self.path) or min(self.weights) <= 0):
            raise ValueError(
                f"weights: expected {len(self.path)} numbers above 0, one for each path, found {list(self.weights)}"
            )
        return self


class Recipe(Config):
    """A run: what is read, what is learned from it, by which model, how, and for how long."""

    data: DataConfig
    objective: Objective = CausalLM()
    model: ModelConfig | None = None
    """A fresh model; leave it out to go on from `init`."""
    init: str | None = None
    """A model folder to go on from."""
    tokens: Seq[str] = ()
    """Control tokens that the model of `init` gets beside its own, for a template or a task."""
    template: Template | None = None
    """How conversations are written down; None is as the model's folder says."""
    lora: Lora | None = None
    """Learn low-rank adapters alone; the run keeps them in `adapter/` and merged in `model/`."""
    optim: Optim = AdamW()
    schedule: Schedule = Cosine()
    loss: Loss = TokenLoss()
    """By default that of the objective; fields without a kind change it."""
    batch_tokens: int = Field(16384, gt=0)
    """Positions in a global step, over all micro-batches and ranks."""
    micro_rows: int = Field(16, gt=0)
    """Rows that are computed at a time on one rank."""
    budget_tokens: int | None = Field(None, gt=0)
    budget_steps: int | None = Field(None, gt=0)
    budget_epochs: float | None = Field(None, gt=0)
    clip: float = Field(1.0, ge=0)
    """The largest gradient norm; 0 is no limit."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto` times one matrix product in each and takes bf16 where it is faster."""
    compile: bool = False
    """Compile the model first: costs tens of seconds, so it pays in runs of many minutes."""
    seed: int = 0
    eval_every_steps: int = Field(200, gt=0)
    save_every_steps: int = Field(200, gt=0)
    log_every_steps: int = Field(10, gt=0)
    keep_checkpoints: int = Field(2, gt=0)
    imports: Seq[str] = ()
    """Your own Python files whose kinds join the families."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        """Take the loss of the objective where the recipe names none, and read the loss of older recipes."""
        if not isinstance(data, dict):
            return data
        loss = {} if data.get("loss") is None else data["loss"]
        if isinstance(loss, dict) and "kind" not in loss and loss.keys() >= EVERY_LOSS:
            own = own_loss(data.get("objective")).model_fields
            loss = {name: value for name, value in loss.items() if name in own or name not in EVERY_LOSS}
        return {**data, "loss": loss}

    @classmethod
    def usual(cls, name: str, tree: Mapping[str, Any]) -> Choice | None:
        return own_loss(tree.get("objective"))() if name == "loss" else super().usual(name, tree)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.loss.target != (made := own_loss(self.objective).target):
            raise ValueError(
                f"loss: {self.loss.kind} needs targets named {self.loss.target}, and the objective "
                f"{self.objective.kind} makes targets named {made}; leave loss.kind out to take {self.objective.loss}"
            )
        if (self.model is None) == (self.init is None):
            raise ValueError("expected either model (a fresh one) or init (a model folder to go on from)")
        if self.tokens and self.lora:
            raise ValueError(
                "tokens: rows of new tokens must be learned, and lora keeps all tables as they are; "
                "leave one of them out"
            )
        budgets = [self.budget_tokens, self.budget_steps, self.budget_epochs]
        if sum(budget is not None for budget in budgets) != 1:
            raise ValueError("expected one of budget_tokens, budget_steps, budget_epochs")
        return self

    def step_rows(self, length: int) -> int:
        """Rows of a global step."""
        return max(1, self.batch_tokens // length)


def own_loss(objective: Any) -> type[Loss]:
    """Return the loss of an objective, which is given as a kind, a table or an instance."""
    kind = objective.get("kind") if isinstance(objective, dict) else getattr(objective, "kind", objective)
    return Loss.kinds[Objective.kinds.get(str(kind), CausalLM).loss]


def read_recipe(path: str | Path | None, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe file and lay `key=value` overrides over it.

    Where a fresh model leaves its vocabulary open, the data folder decides it, if it is there already.
    """
    where = str(path) if path else "recipe"
    tree = override(read_toml(path) if path else {}, overrides)
    imports = tree.get("imports", [])
    plugin.load(imports if isinstance(imports, list) else [imports], where)
    model, data = tree.get("model"), tree.get("data")
    path = data.get("path") if isinstance(data, dict) else None
    if isinstance(path, list) and path:
        path = path[0]
    if isinstance(model, dict) and isinstance(path, str) and (Path(path) / "manifest.json").is_file():
        tree["model"] = {"vocab_size": read_manifest(path)["vocab_size"], **model}
    return parse(Recipe, tree, where)
