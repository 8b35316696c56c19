"""The recipe: all choices of one run as one frozen tree, the same in a file, on the command line and in recipe.json."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from trivium.base import plugin
from trivium.base.config import Choice, Config, Seq, Tiled, Unset, merge, override, parse, read_toml
from trivium.base.seeds import LARGEST
from trivium.data.rows import Packing, Tail
from trivium.data.shards import read_manifest
from trivium.image.augment import Augment
from trivium.image.processor import ImageProcessor
from trivium.model.adapt import Lora
from trivium.model.config import ModelConfig
from trivium.objective.causal import CausalLM
from trivium.objective.objective import Objective
from trivium.rows.read import RowReading
from trivium.rows.shorten import Policy
from trivium.token.template import Template
from trivium.token.tokenizer import Tokenizer
from trivium.train.average import EMA
from trivium.train.guard.spike import SpikeGuard
from trivium.train.loss.loss import Loss
from trivium.train.loss.token import TokenLoss
from trivium.train.optim.adamw import AdamW
from trivium.train.optim.optim import Optim
from trivium.train.parallel.layout import Parallelism
from trivium.train.schedule import WSD, Cosine, Schedule
from trivium.train.track.tracker import Tracker

BUDGETS = ("budget_tokens", "budget_steps", "budget_epochs", "budget_minutes")
"""The fields of which a recipe has one."""
EVERY_LOSS = {"label_smoothing", "z_loss", "temperature", "beta", "chunk_rows"}
"""The fields of `loss` in recipes that were saved before each loss had its own."""


BASE = {"type": "string", "description": "Another TOML file, over which this one is laid."}
"""The key of a file that is no field of a recipe, in the JSON schema."""
AUTO: dict[str, Any] = {"anyOf": [{"type": "integer"}, {"const": "auto"}, {"type": "null"}]}


class DataConfig(Config):
    """The data. `path` is a data folder of `trivium prepare`, several of them, or files of rows."""

    path: Tiled[str]
    """A data folder, or several; or files of rows."""
    weights: Seq[float] = ()
    """The share of rows from each of several data folders; by default in proportion to their sizes."""
    valid: Tiled[str] = ()
    """Held-out files of rows; a data folder has its own held-out documents."""
    license: str | None = None
    """The licence of the data, which the model card names: CC-BY-4.0 ..."""
    length: int | None = Field(None, gt=1, lt=1 << 31)
    """Tokens in a row; None is the model's context."""
    packing: Packing = "bestfit"
    """How documents share rows: `bestfit` cuts only what is longer than a row, `concat` fills rows in order."""
    tail: Tail = "pad"
    """What `concat` packing does with a last row that is not full."""
    rows: RowReading = RowReading()
    """How files of rows are read; by default their keys tell the format."""
    augment: Augment | None = None
    """How pictures change from epoch to epoch; None leaves them. Held-out pictures never change."""
    too_long: Policy = "drop"
    """What happens to a conversation that is longer than a row: see rows/shorten."""
    isolate: bool = True
    """Whether attention between documents of one row is masked."""

    @model_validator(mode="after")
    def _weighed(self) -> Self:
        if self.weights and (len(self.weights) != len(self.path) or min(self.weights) <= 0):
            raise ValueError(
                f"weights: expected {len(self.path)} numbers above 0, one for each path, found {list(self.weights)}"
            )
        return self


class Recipe(Config):
    """A run: data, objective, model, optimizer, and budget."""

    model_config = ConfigDict(json_schema_extra=lambda tree: tree["properties"].update(base=BASE))

    data: DataConfig
    """What is trained on."""
    objective: Objective = CausalLM()
    """What is read, and what must be predicted."""
    model: ModelConfig | None = None
    """A fresh model; leave it out to continue from `init`."""
    init: str | None = None
    """A model folder to continue from."""
    tokenizer: str | None = None
    """The tokenizer of a fresh model that is trained on rows: that of a tokenizer, model or data folder, or `bytes`."""
    image: ImageProcessor | None = None
    """How pictures become patches; None is as the model's folder has it, or in the size of a fresh model's table."""
    tokens: Seq[str] = ()
    """Special tokens to add to the model of `init`, for a template or a task."""
    template: Template | None = None
    """The chat template; None is the template of the model's folder."""
    lora: Lora | None = None
    """Train only low-rank adapters; the run keeps them in `adapter/`, and merged in `model/`."""
    optim: Optim = AdamW()
    """The optimizer and its learning rate."""
    schedule: Schedule = Cosine()
    """The learning rate of each step, as a share of `optim.lr`; with `budget_minutes`, `wsd` by default."""
    loss: Loss = TokenLoss()
    """The loss; by default the objective's, and fields without a kind change it."""
    batch_tokens: int = Field(16384, gt=0, lt=1 << 31)
    """Positions in a global step, the sum over all micro-batches and ranks."""
    micro_rows: int | None = Field(16, gt=0, le=1 << 20, json_schema_extra=AUTO)
    """Rows of a micro-batch on one rank; "auto" (none) takes the most that fit, and a run keeps its number."""
    budget_tokens: int | None = Field(None, gt=0)
    """Positions to train on, padding included; a recipe has one budget."""
    budget_steps: int | None = Field(None, gt=0)
    """Optimizer steps."""
    budget_epochs: float | None = Field(None, gt=0, le=1e6)
    """Times that every row is trained on."""
    budget_minutes: float | None = Field(None, gt=0, le=1e6)
    """Minutes of the whole run, start-up, evaluation and saving included: the decay begins when the rest suffices."""
    clip: float = Field(1.0, ge=0, le=1e9)
    """The maximum gradient norm; 0 is no limit."""
    spikes: SpikeGuard | None = None
    """Skip steps whose loss or gradient norm is far above its running spread; None skips none that is finite."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto` measures one matrix product in each type and takes bf16 if it is faster."""
    recompute: float = Field(0.0, ge=0, le=1)
    """The share of blocks that keep their input alone and are computed again for the backward pass, to save memory."""
    compile: bool = False
    """Compile the model first: this costs tens of seconds, so it helps only in runs of many minutes."""
    deterministic: bool = False
    """Compute each step in grains, so that any number of processes and any `micro_rows` give the same bits."""
    grain_rows: int | None = Field(None, gt=0, le=1 << 20)
    """Rows of a grain of a deterministic run; None is an eighth of the rows of a step."""
    replay_every_steps: int | None = Field(None, gt=0, le=1 << 30)
    """Compute each of so many steps twice before it is applied: another result is an error. None never does."""
    seed: int = Field(0, ge=0, le=LARGEST)
    """The start of all randomness: weights, order, noise, dropout."""
    eval_every_steps: int = Field(200, gt=0)
    """Steps between two evaluations on held-out rows; the last step is evaluated too."""
    save_every_steps: int = Field(200, gt=0)
    """Steps between two checkpoints."""
    save_every_minutes: float | None = Field(None, gt=0, le=1e6)
    """Minutes between two checkpoints, beside those by steps; None saves by steps alone."""
    log_every_steps: int = Field(10, gt=0)
    """Steps between two lines of metrics.jsonl."""
    samples: Tiled[str] = ()
    """Prompts that the model continues at each evaluation (an encoder fills their gaps), for metrics.jsonl."""
    track: Tiled[Tracker] = ()
    """Trackers that get the records of metrics.jsonl too: `tensorboard`, `wandb`, `trackio`; each needs its package."""
    keep_checkpoints: int = Field(2, gt=0)
    """The newest checkpoints that are kept."""
    keep_minutes: float | None = Field(None, gt=0, le=1e6)
    """Checkpoints that are younger than these minutes are kept too."""
    keep_best: bool = False
    """Keep the checkpoint with the lowest held-out loss too, and make the model of it."""
    patience: int | None = Field(None, gt=0, le=1 << 30)
    """End the run after so many evaluations in a row without a lower held-out loss; None never does."""
    ema: EMA | None = None
    """Average the weights over steps, and evaluate and keep the averages."""
    parallel: Parallelism = Parallelism()
    """How the model is laid over several processes."""
    timeout_seconds: float = Field(600.0, ge=1, le=1e6)
    """Seconds that a process waits for the others, at the start and in a step, before the run ends."""
    imports: Seq[str] = ()
    """Python files with your own kinds."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        """Take the loss of the objective where the recipe names none, and read the loss of older recipes."""
        if not isinstance(data, dict):
            return data
        loss = data.get("loss") if data.get("loss") not in (None, Unset.VALUE) else {}
        if isinstance(loss, dict) and "kind" not in loss and loss.keys() >= EVERY_LOSS:
            own = own_loss(data.get("objective")).model_fields
            loss = {name: value for name, value in loss.items() if name in own or name not in EVERY_LOSS}
        auto = {"micro_rows": None} if data.get("micro_rows") == "auto" else {}
        timed = {"schedule": WSD()} if data.get("budget_minutes") and data.get("schedule") is None else {}
        return {**data, "loss": loss, **timed, **auto}

    @classmethod
    def usual(cls, name: str, tree: Mapping[str, Any]) -> Choice | None:
        if name == "schedule" and tree.get("budget_minutes"):
            return WSD()
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
        if sum(getattr(self, name) is not None for name in BUDGETS) != 1:
            raise ValueError(f"expected one of {', '.join(BUDGETS)}")
        if self.budget_minutes is not None and (not self.schedule.open_ended or getattr(self.schedule, "turns", False)):
            timed = ", ".join(kind for kind, cls in Schedule.kinds.items() if cls.open_ended)
            raise ValueError(
                f"budget_minutes: the schedule {self.schedule.kind} has no end that a clock can move; take one of "
                f"{timed} (without turns), or another budget"
            )
        if self.grain_rows is not None and not self.deterministic:
            raise ValueError("grain_rows: only a deterministic run has grains; add deterministic=true")
        if self.deterministic and self.precision == "auto":
            raise ValueError("deterministic: a clock decides precision = 'auto'; take fp32 or bf16")
        if self.deterministic and self.budget_minutes is not None:
            raise ValueError("deterministic: a clock decides the steps of budget_minutes; take budget_steps or another")
        if self.parallel.splits:
            asked = {
                "deterministic": self.deterministic,
                "compile": self.compile,
                "micro_rows=auto": not self.micro_rows,
            }
            asked |= {"lora": self.lora is not None and self.parallel.tensor > 1}
            for name in (name for name, wanted in asked.items() if wanted):
                raise ValueError(f"{name}: not with a model that is split (parallel); leave one of them out")
        return self

    def step_rows(self, length: int) -> int:
        """Return the number of rows of a global step, for rows of `length` tokens."""
        return max(1, self.batch_tokens // length)


def own_loss(objective: Any) -> type[Loss]:
    """Return the loss of an objective, which is given as a kind, a table or an instance."""
    kind = objective.get("kind") if isinstance(objective, dict) else getattr(objective, "kind", objective)
    return Loss.kinds[Objective.kinds.get(str(kind), CausalLM).loss]


def lay(below: Any, above: Any) -> Any:
    """Return the tree of a recipe `below` with that of `above` in it, whose budget replaces that below."""
    if isinstance(above, dict) and isinstance(below, dict) and any(above.get(name) for name in BUDGETS):
        below = {key: value for key, value in below.items() if key not in BUDGETS}
    return merge(below, above)


def load_imports(tree: Mapping[str, Any], where: str) -> None:
    """Run the Python files that a recipe imports; `where` begins an error."""
    imports = tree.get("imports") or []
    plugin.load(imports if isinstance(imports, list) else [imports], where)


def read_recipe(path: str | Path | None, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe file and lay overrides over it (`key=value`, `~key`); the last budget that is named counts.

    A fresh model without `vocab_size` takes it from the data folder, if that exists. A ConfigError lists all mistakes.
    """
    where = str(path) if path else "recipe"
    tree = override(read_toml(path, lay) if path else {}, overrides, lay)
    load_imports(tree, where)
    model, data = tree.get("model"), tree.get("data")
    path = data.get("path") if isinstance(data, dict) else None
    if isinstance(path, list) and path:
        path = path[0]
    if isinstance(model, dict) and isinstance(path, str) and (Path(path) / "manifest.json").is_file():
        tree["model"] = {"vocab_size": read_manifest(path)["vocab_size"], **model}
    elif isinstance(model, dict) and isinstance(own := tree.get("tokenizer"), str):
        tree["model"] = {"vocab_size": tokenizer_in(own).vocabulary.size, **model}
    return parse(Recipe, tree, where)


def tokenizer_in(folder: str) -> Tokenizer:
    """Return the tokenizer in a folder of a tokenizer, a model or a data set; `bytes` is the one without merges."""
    if folder == "bytes":
        return Tokenizer.bytes()
    inside = Path(folder) / "tokenizer"
    return Tokenizer.load(inside if inside.is_dir() else Path(folder))
