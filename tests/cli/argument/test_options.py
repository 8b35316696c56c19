"""Bounds stand in the configs; options that set a field have the same ones, so that help and errors agree."""

import typing
from typing import Any

import pytest
import typer
from pydantic.fields import FieldInfo

from trivium.cli import app
from trivium.corpus.engine import Local
from trivium.corpus.preparation import Preparation
from trivium.infer.beam import Beam
from trivium.infer.sampling import Sampling
from trivium.model.adapt import Lora
from trivium.model.stack import StackConfig

SETS: dict[str, tuple[type[Any], str]] = {
    **{f"{command} {name}": (Sampling, name) for command in ("generate", "chat") for name in Sampling.model_fields},
    "generate num_beams": (Beam, "beams"),
    "finetune lora": (Lora, "rank"),
    "prepare valid_share": (Preparation, "valid_share"),
    "prepare shards": (Preparation, "shards"),
    "prepare workers": (Local, "workers"),
    "compare layers": (StackConfig, "layers"),
}
"""Command and option -> the config and the field that it sets."""
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def numbers() -> dict[str, Any]:
    """Every option that is a number."""
    found = {}
    for name, command in COMMANDS.items():
        for part in [*getattr(command, "commands", {}).values()] or [command]:
            for parameter in part.params:
                if parameter.type_descriptor.annotation in (int, float) and not parameter.hidden:
                    found[f"{name} {parameter.name}"] = parameter
    return found


def limits(field: FieldInfo) -> tuple[float | None, float | None]:
    """The bounds of a field; an option has closed ones only, and the config refuses the bound itself."""
    both = []
    for names in (("ge", "gt"), ("le", "lt")):
        values = [getattr(one, name) for one in field.metadata for name in names if hasattr(one, name)]
        both.append(values[0] if values else None)
    if field.annotation is int or int in typing.get_args(field.annotation):
        both[0] = both[0] + 1 if any(hasattr(one, "gt") for one in field.metadata) else both[0]
    return both[0], both[1]


@pytest.mark.parametrize("name", [name for name in SETS if name in numbers()])
def test_an_option_has_the_bounds_of_its_field(name):
    config, field = SETS[name]
    option = numbers()[name]
    least, most = limits(config.model_fields[field])
    assert option.min == least
    assert option.max == most or name in ("prepare workers",)


def test_every_option_that_is_a_number_has_a_least_value():
    assert not [name for name, option in numbers().items() if option.min is None]
    assert len(numbers()) > 30


def test_every_command_is_silenced_and_logged():
    for name, command in COMMANDS.items():
        for part in [*getattr(command, "commands", {}).values()] or [command]:
            assert {"quiet", "log_file"} <= {parameter.name for parameter in part.params}, name
