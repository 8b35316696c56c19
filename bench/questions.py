"""The nine questions of `bench/ablations.py`: what varies, at which scale, and what the literature found.

Published numbers are losses in nats of variants under one recipe, from the paper that is named; where we know of none
at equal tuning, the text says so. Each was checked on 2026-12-01 against public transcriptions of the paper's table or
abstract.
"""

from dataclasses import dataclass, field
from typing import NamedTuple


class Form(NamedTuple):
    """A scale at which the questions are asked."""

    overrides: list[str]
    tune: str
    vocabulary: int
    seeds: int
    valid_share: float = 0.006


@dataclass(frozen=True)
class Question:
    """A question: axes of `recipes/ablate.toml`, and how its runs differ from those of the form."""

    title: str
    axes: list[str]
    known: str
    """What the literature says."""
    published: dict[str, float] = field(default_factory=dict)
    """The loss of each value in the literature, by label; the others are compared with the first."""
    group: str = "block"
    """The folder of its runs: questions of one group share the runs of the reference."""
    match: str = "params"
    cross: bool = False
    overrides: dict[str, list[str]] = field(default_factory=dict)
    """Of each form, beyond its own."""
    rates: dict[str, str] = field(default_factory=dict)
    """The values of a form, where they are not those of the form."""
    own: dict[str, list[str]] = field(default_factory=dict)
    """The axes of a form, where they are not `axes`."""


FORMS = {
    "long": Form(
        [
            "data.length=256",
            "model.hidden_size=64",
            "model.decoder.layers=4",
            "batch_tokens=2048",
            "budget_steps=2600",
            "save_every_steps=650",
            "schedule.warmup_steps=100",
        ],
        "optim.lr=2e-3,4e-3,8e-3,1.6e-2",
        vocabulary=1024,
        seeds=3,
    ),
    "short": Form(
        [
            "data.length=128",
            "model.context=128",
            "model.hidden_size=32",
            "model.decoder.layers=2",
            "batch_tokens=2048",
            "budget_steps=400",
            "save_every_steps=400",
            "schedule.warmup_steps=40",
        ],
        "optim.lr=4e-3,8e-3,1.6e-2",
        vocabulary=512,
        seeds=3,
    ),
}
GLOBAL = '"global"'
FAN_IN = '{kind = "fan_in", std = 0.02}'
NONE = "No number at equal tuning known to us"


def mlp(activation: str) -> str:
    """Return a feed-forward layer without a gate."""
    return f'{{kind = "mlp", activation = "{activation}", bias = false}}'


def causal(*kinds: str) -> str:
    """Return the union of some patterns, cut to the past."""
    return f'{{kind = "and", of = ["causal", {{kind = "or", of = [{", ".join(kinds)}]}}]}}'


def positions(std: float) -> list[str]:
    """Return the axis of position encodings; `std` is one over the root of the width."""
    scaled = f'embed = {{scale = true}}, init = {{kind = "scaled", std = {std}}}'
    kinds = {"ALiBi": "alibi", "learned": "learned", "sinusoid": "sinusoid"}
    parts = [f'{label}:{{decoder = {{position = "{kind}"}}}}' for label, kind in kinds.items()]
    parts.append(f'sinusoid and scaled embeddings:{{{scaled}, decoder = {{position = "sinusoid"}}}}')
    return [f'model=RoPE:{{}},{",".join(parts)},none:{{decoder = {{position = "none"}}}}']


def patterns(size: int, layers: int) -> list[str]:
    """Return the axis of attention patterns with windows of a size, in a stack of some layers."""
    window, half = (f'{{kind = "window", size = {width}}}' for width in (size, size // 2))
    random = f'{{kind = "random", block = {size // 2}, count = 2}}'
    parts = [
        "full:causal",
        f"window {size}:{window}",
        f"windows then full:[{', '.join([window] * (layers - 1))}, " + '"causal"]',
        f"Longformer:{causal(window, GLOBAL)}",
        f"BigBird:{causal(half, GLOBAL, random)}",
        f'strided {size // 2}:{{kind = "strided", stride = {size // 2}}}',
    ]
    return [f"model.decoder.pattern={','.join(parts)}"]


def depth(layers: int, known: str = "See above.") -> Question:
    """Return the question of pre-norm or post-norm in a stack of some blocks. Every depth has the same steps."""
    deep = f"model.decoder.layers={layers}"
    return Question(
        f"Pre-norm or post-norm in {layers} blocks, each at its own rate and warm-up?",
        ["model.decoder.residual=pre,post", "schedule.warmup_steps=100,400"],
        known,
        group=f"depth-{layers}",
        match="flops",
        cross=True,
        overrides={
            "long": [deep, "budget_steps=870"],
            "short": [
                deep,
                "batch_tokens=1024",
                "budget_steps=150",
                "save_every_steps=150",
                "schedule.warmup_steps=100",
            ],
        },
        rates={"long": "optim.lr=1e-3,2e-3,4e-3,8e-3", "short": "optim.lr=2e-3,4e-3,8e-3"},
        own={"short": ["model.decoder.residual=pre,post"]},
    )


QUESTIONS: dict[str, Question] = {
    "norm": Question(
        "RMSNorm or LayerNorm?",
        ["model.decoder.norm=RMSNorm:rms,LayerNorm:layer"],
        "Narang et al. 2021 (arXiv:2102.11972), a T5 of 223 M parameters on C4 under one recipe, one run each: a final "
        "loss of 1.821 with RMSNorm, 1.838 with LayerNorm. Zhang & Sennrich 2019 (arXiv:1910.07467): comparable "
        "scores, 7 to 64 % less running time.",
        {"RMSNorm": 1.821, "LayerNorm": 1.838},
    ),
    "ffn": Question(
        "SwiGLU, GELU or ReLU, at equal parameters?",
        [f"model.decoder.ffn=SwiGLU:glu,GELU:{mlp('gelu')},ReLU:{mlp('relu')}"],
        "Shazeer 2020 (arXiv:2002.05202), T5-base on C4 at equal parameters under one recipe, one run each: held-out "
        "log-perplexity of 1.636 with SwiGLU, 1.677 with ReLU, 1.679 with GELU after 524,288 steps.",
        {"SwiGLU": 1.636, "GELU": 1.679, "ReLU": 1.677},
    ),
    "residual": depth(
        6,
        f"{NONE}. Xiong et al. 2020 (arXiv:2002.04745): post-norm needs a warm-up, and pre-norm without one reaches "
        "comparable results. The short form has 100 steps of warm-up of 150: with 20 both were worse here on "
        "2026-11-30, pre-norm by 0.19 nats and post-norm, which did not train at any rate, by 0.65.",
    ),
    "residual12": depth(12),
    "residual24": depth(24),
    "heads": Question(
        "MHA, GQA or MQA, at equal parameters?",
        ["model.decoder.kv_heads=MHA 4:4,GQA 2:2,MQA 1:1"],
        f"{NONE}. Ainslie et al. 2023 (arXiv:2305.13245), T5 XXL, GQA and MQA trained on from MHA: a mean score over "
        "tasks of 47.2 with MHA, 47.1 with GQA of 8 groups, 46.6 with MQA.",
    ),
    "position": Question(
        "Which position encoding?",
        positions(0.125),
        "Haviv et al. 2022 (arXiv:2203.16634), 247 M parameters on WikiText-103: a perplexity of 19.71 with ALiBi, "
        "20.16 with sinusoids, 20.42 with learned positions, 20.97 with none (2.981, 3.004, 3.017, 3.043 nats). Su et "
        "al. 2021 (arXiv:2104.09864), translation to German: 27.5 BLEU with RoPE, 27.3 with sinusoids. Kazemnejad et "
        "al. 2023 (arXiv:2305.19466) find none best beyond the trained length, on small synthetic tasks; Press et al. "
        "2021 (arXiv:2108.12409) find that ALiBi keeps its loss there.",
        {"ALiBi": 2.981, "sinusoid and scaled embeddings": 3.004, "learned": 3.017, "none": 3.043},
        group="position",
        match="flops",
        overrides={"long": ["data.length=128", "model.context=512"], "short": ["data.length=64", "model.context=256"]},
        rates={"short": "optim.lr=4e-3,8e-3"},
        own={"short": positions(0.177)},
    ),
    "pattern": Question(
        "Sparse patterns or full attention?",
        patterns(128, 4),
        f"{NONE} for these patterns. Child et al. 2019 (arXiv:1904.10509), bytes of enwik8: 1.00 bits a byte with full "
        "attention, 0.99 with their fixed pattern, 1.13 with their strided one.",
        group="pattern",
        overrides={
            "long": ["data.length=1024", "model.context=1024", "batch_tokens=4096", "budget_steps=650"],
            "short": ["data.length=256", "model.context=256"],
        },
        own={"short": patterns(32, 2)},
    ),
    "dropout": Question("Dropout 0 or 0.1, in less than one epoch?", ["model.decoder.dropout=0.0,0.1"], f"{NONE}."),
    "qk_norm": Question(
        "QK-norm?",
        ["model.decoder.qk_norm=none,rms"],
        f"{NONE} for a loss. Henry et al. 2020 (arXiv:2010.04245): 0.928 BLEU more over five small translation sets "
        "with a norm over each head; Wortsman et al. 2023 (arXiv:2309.14322): it widens the range of rates that train.",
    ),
    "init": Question(
        "Zero-initialised output projections?",
        [f"model.init=zero outputs:scaled,drawn outputs:{FAN_IN},GPT-2:normal"],
        f"{NONE}.",
    ),
}


class Asked(NamedTuple):
    """A question in a form."""

    overrides: list[str]
    axes: list[str]
    tune: str
    match: str
    cross: bool
    folder: str

    def command(self, seeds: int) -> list[str]:
        """Return its command line."""
        words = ["trivium", "ablate", "recipes/ablate.toml", *self.overrides]
        words += [word for axis in self.axes for word in ("--axis", axis)]
        words += ["--cross"] * self.cross + ["--match", self.match, "--tune", self.tune]
        return [*words, "--seeds", str(seeds), "-o", f"runs/ablations/{self.folder}"]


def asked(name: str, form: str) -> Asked:
    """Return a question in a form."""
    one, scale = QUESTIONS[name], FORMS[form]
    return Asked(
        [*scale.overrides, *one.overrides.get(form, [])],
        one.own.get(form, one.axes),
        one.rates.get(form, scale.tune),
        one.match,
        one.cross,
        f"{form}/{one.group}",
    )
