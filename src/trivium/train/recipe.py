"""The recipe: all choices of one run as one frozen tree, the same in a file, on the command line and in recipe.json."""

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
    """The data. `path` is a data folder of `trivium prepare`, several of them, or files of rows."""

    path: Seq[str]
    weights: Seq[float] = ()
    """The share of rows from each of several data folders; by default in proportion to their sizes."""
    valid: Seq[str] = ()
    """Held-out files of rows; a data folder has its own held-out documents."""
    length: int | None = Field(None, gt=1)
    """Tokens in a row; None is the model's context."""
    packing: Packing = "bestfit"
    tail: Tail = "pad"
    """What `concat` packing does with a last row that is not full."""
    rows: RowReading = RowReading()
    """How files of rows are read; by default their keys tell the format."""
    too_long: Policy = "drop"
    """What happens to a conversation that is longer than a row: see rows/shorten."""
    isolate: bool = True
    """Whether attention between documents of one row is masked."""

    @model_validator(mode="before")
    @classmethod
    def _one(cls, data: Any) -> Any:
        """Accept a single path without brackets."""
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
    """A run: data, objective, model, optimizer, and budget."""

    data: DataConfig
    objective: Objective = CausalLM()
    model: ModelConfig | None = None
    """A fresh model; leave it out to continue from `init`."""
    init: str | None = None
    """A model folder to continue from."""
    tokens: Seq[str] = ()
    """Special tokens to add to the model of `init`, for a template or a task."""
    template: Template | None = None
    """The chat template; None is the template of the model's folder."""
    lora: Lora | None = None
    """Train only low-rank adapters; the run keeps them in `adapter/`, and merged in `model/`."""
    optim: Optim = AdamW()
    schedule: Schedule = Cosine()
    loss: Loss = TokenLoss()
    """The loss; by default the objective's, and fields without a kind change it."""
    batch_tokens: int = Field(16384, gt=0)
    """Positions in a global step, the sum over all micro-batches and ranks."""
    micro_rows: int = Field(16, gt=0)
    """Rows of a micro-batch on one rank."""
    budget_tokens: int | None = Field(None, gt=0)
    budget_steps: int | None = Field(None, gt=0)
    budget_epochs: float | None = Field(None, gt=0)
    clip: float = Field(1.0, ge=0)
    """The maximum gradient norm; 0 is no limit."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto` measures one matrix product in each type and takes bf16 if it is faster."""
    compile: bool = False
    """Compile the model first: this costs tens of seconds, so it helps only in runs of many minutes."""
    seed: int = 0
    eval_every_steps: int = Field(200, gt=0)
    save_every_steps: int = Field(200, gt=0)
    log_every_steps: int = Field(10, gt=0)
    keep_checkpoints: int = Field(2, gt=0)
    imports: Seq[str] = ()
    """Python files with your own kinds."""

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
                "tokens: the embeddings of new tokens must be trained, but lora freezes them; leave one of them out"
            )
        budgets = [self.budget_tokens, self.budget_steps, self.budget_epochs]
        if sum(budget is not None for budget in budgets) != 1:
            raise ValueError("expected one of budget_tokens, budget_steps, budget_epochs")
        return self

    def step_rows(self, length: int) -> int:
        """Return the number of rows of a global step, for rows of `length` tokens."""
        return max(1, self.batch_tokens // length)


def own_loss(objective: Any) -> type[Loss]:
    """Return the loss of an objective, which is given as a kind, a table or an instance."""
    kind = objective.get("kind") if isinstance(objective, dict) else getattr(objective, "kind", objective)
    return Loss.kinds[Objective.kinds.get(str(kind), CausalLM).loss]


def read_recipe(path: str | Path | None, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe file and lay `key=value` overrides over it.

    A fresh model without `vocab_size` takes it from the data folder, if that exists. A ConfigError lists all mistakes.
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
