"""Stock configurations with one key changed: our logits are those of the stock class, or one line says why not.

The sizes of a drawn value may be anything; weights are those of the stock class where it takes the value, else those
of the family's small config.
"""

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import trivium
from tolerance import close
from trivium.base.errors import TriviumError
from trivium.interop import heads
from trivium.interop.families import by_type, families, read
from variants import BASES, WRONG, draw, others

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
transformers.logging.set_verbosity(50)
AUTOS = ("AutoModelForMaskedLM", "AutoModelForSeq2SeqLM", "AutoModelForCausalLM")
LARGE = 10**6
"""A size of which the stock class would make tensors before it reads any."""


def stock_class(family: str) -> tuple[type, Any]:
    """Return the stock config class of a family, and the class that makes its models."""
    config = type(transformers.AutoConfig.for_model(family))
    return config, next(auto for name in AUTOS if config in (auto := getattr(transformers, name))._model_mapping)


def inputs(both: bool) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids, mask = torch.randint(3, 29, (2, 20), generator=generator), torch.ones(2, 20, dtype=torch.long)
    mask[1, 13:] = 0
    more = {"decoder_input_ids": torch.randint(3, 29, (2, 17), generator=generator)} if both else {}
    return {"input_ids": ids, "attention_mask": mask, **more}


def kept(logits: torch.Tensor, given: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the logits of what is not padding."""
    return logits.flatten(0, 1) if "decoder_input_ids" in given else logits[given["attention_mask"].bool()]


@torch.no_grad()
def oracle(family: str, tree: dict[str, Any], folder: Path, size: Any = None) -> torch.Tensor | None:
    """Save a stock model of a config.json and return its logits; None where the class does not take it."""
    if isinstance(size, int | float) and abs(size) >= LARGE:
        return None
    kind, auto = stock_class(family)
    try:
        config = kind.from_dict(json.loads(json.dumps(tree)))
        model = auto.from_config(config, attn_implementation="eager").eval()
        generator = torch.Generator().manual_seed(0)
        for name, tensor in model.named_parameters():
            noise, norm = torch.randn(tensor.shape, generator=generator), tensor.dim() == 1 and name.endswith("weight")
            if tensor.requires_grad:
                tensor.copy_(1 + 0.3 * noise if norm else noise * (0.04 if name.endswith(".q.weight") else 0.2))
        given = inputs(family in ("bart", "mbart", "marian", "pegasus", "t5", "mt5"))
        logits = kept(model(**given).logits, given)
        model.save_pretrained(folder)
    except Exception:  # whatever the stock library raises
        return None
    return logits if logits.isfinite().all() else None


@torch.no_grad()
def rounding(family: str, folder: Path, wanted: torch.Tensor) -> float:
    """Return how far the logits of the stock class move where its weights change by a part in 10 million."""
    model = stock_class(family)[1].from_pretrained(folder, attn_implementation="eager").eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.mul_(1 + 1e-7 * torch.randn(parameter.shape, generator=generator))
    given = inputs(model.config.is_encoder_decoder)
    return float((kept(model(**given).logits, given) - wanted).abs().max())


def outcome(family: str, key: str, value: Any, folder: Path, base: dict[str, torch.Tensor]) -> str:
    """Return how one variant ended; an AssertionError is a difference, any other error a traceback."""
    architecture = stock_class(family)[1]._model_mapping[stock_class(family)[0]]
    name = (architecture[0] if isinstance(architecture, tuple) else architecture).__name__
    tree = {"model_type": family, "architectures": [name], **BASES[family], key: value}
    wanted = oracle(family, tree, folder, value)
    if wanted is None:
        save_file(base, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(tree))
    try:
        ours = trivium.load(folder)
    except TriviumError as refused:
        assert "\n" not in str(refused) and str(folder) in str(refused), refused
        return "refused" if wanted is not None else "refused by both"
    given = inputs(ours.config.family == "encoder_decoder")
    found = kept(ours.logits(**given), given)
    if wanted is None:
        return "read by us alone"
    assert found.shape == wanted.shape
    gap = float((found - wanted).abs().max())
    assert close(found, wanted) or gap < rounding(family, folder, wanted), f"the logits are {gap:.1e} apart"
    return "equal"


def sweep(family: str, cases: list[tuple[str, Any]], folder: Path) -> Counter[str]:
    """Return how many variants of a family ended how; one AssertionError tells all that ended wrong."""
    folder.mkdir(exist_ok=True)
    assert oracle(family, {"model_type": family, **BASES[family]}, folder) is not None
    base, ends, wrong = load_file(folder / "model.safetensors"), Counter[str](), []
    for key, value in cases:
        try:
            ends[outcome(family, key, value, folder, base)] += 1
        except Exception as error:
            wrong.append(f"{family} {key} = {value!r}: {type(error).__name__}: {error}")
    assert not wrong, "\n".join(wrong)
    return ends


TEXTS = [name for name, family in families().items() if not family.parts and family.base["vocab_size"]]


def test_every_family_of_texts_is_swept() -> None:
    assert set(BASES) == set(TEXTS)


def test_a_sample_is_equal_or_refused(tmp_path: Path) -> None:
    ends = Counter[str]()
    for family in ("gpt2", "gemma2", "modernbert", "t5"):
        kind = stock_class(family)[0]
        ends += sweep(family, [*others(family, kind)[::4], *draw(family, kind, 4)], tmp_path / family)
    assert ends["equal"] >= 8 and ends["refused"] + ends["refused by both"] >= 4, ends


LABELS = ({"0": "a", "2": "b"}, {"a": "x"}, {"0": None}, {"0": "a", "00": "b"}, ["a"])


@pytest.mark.parametrize("family", sorted(set(heads.TABLE) & set(TEXTS)))
def test_no_value_of_a_key_of_a_head_ends_in_a_traceback(family: str) -> None:
    known = by_type(family)
    for kind, stock in heads.TABLE[family].items():
        tree = {"model_type": family, "architectures": [known.stem + heads.ENDS[kind]], **BASES[family]}
        for name in {name for entry in heads.keys(stock, kind) for name in entry.defaults}:
            for value in (*WRONG, *LABELS):
                with suppress(TriviumError):
                    read(known, {**tree, name: value})


@pytest.mark.slow
@pytest.mark.parametrize("family", BASES)
def test_stock_configurations_are_equal_or_refused(family: str, tmp_path: Path) -> None:
    """Some 1,500 configurations in all: the other value of each field, and 45 drawn ones of each family."""
    kind = stock_class(family)[0]
    ends = sweep(family, [*others(family, kind), *draw(family, kind, 45)], tmp_path / "m")
    assert sum(ends.values()) >= 55 and ends["equal"] >= 15, ends
    print(family, dict(ends))
