import json
import sys
from typing import ClassVar

import pytest
from pydantic import Field

import tiny
from trivium.base import plugin
from trivium.base.config import Choice, Config, Seq, Tiled, dump, fields, merge, override, parse, read_toml
from trivium.base.errors import ConfigError
from trivium.model.config import ModelConfig
from trivium.model.presets import PRESETS
from trivium.train.recipe import Recipe


class Tool(Choice):
    """A family of this file."""

    weight: float = 1.0


class Hammer(Tool, kind="hammer"):
    """Hits."""

    head: int = 3


class Saw(Tool, kind="saw"):
    """Cuts."""

    teeth: int = 40
    blade: float


class Box(Config):
    tool: Tool = Hammer()
    tools: Tiled[Tool] = (Hammer(),)
    size: int = 1


class House(Config):
    box: Box
    names: Seq[str] = ()
    floors: int | None = Field(None, ge=1, lt=9)
    """Storeys,
    without the cellar."""
    sunny: bool = True
    height: float = 2.5


def wrong(tree, cls=House):
    with pytest.raises(ConfigError) as error:
        parse(cls, tree, "house.toml")
    return str(error.value).splitlines()


def recipe_errors(*words):
    with pytest.raises(ConfigError) as error:
        parse(Recipe, override(dump(tiny.recipe()), words))
    return str(error.value)


def test_a_kind_is_a_name_a_table_or_an_instance():
    for tool in ("hammer", {"kind": "hammer"}, {"kind": "hammer", "head": 3}, Hammer()):
        assert parse(Box, {"tool": tool}).tool == Hammer()
    assert parse(Box, {"tool": {"kind": "saw", "blade": 2}}).tool == Saw(blade=2.0)


def test_a_table_without_a_kind_changes_the_default_kind():
    assert parse(Box, {"tool": {"head": 5}}).tool == Hammer(head=5)


def test_one_kind_or_several_fill_a_tiled_field():
    assert parse(Box, {"tools": "hammer"}).tools == (Hammer(),)
    assert parse(Box, {"tools": ["hammer", {"kind": "saw", "blade": 1.0}]}).tools == (Hammer(), Saw(blade=1.0))


def test_an_unknown_kind_is_told_with_those_there_are():
    (line,) = wrong({"box": {"tool": "hamer"}})
    assert line == "house.toml: box.tool: unknown kind 'hamer'; did you mean 'hammer'?; known: hammer, saw"
    assert "expected a kind (hammer, saw) or a table with one, found 7" in wrong({"box": {"tool": 7}})[0]


def test_a_kind_in_a_list_has_its_number_in_the_path():
    assert wrong({"box": {"tools": ["hammer", "sew"]}})[0].startswith("house.toml: box.tools.1: unknown kind 'sew'")


def test_whole_numbers_may_be_written_as_floats_and_the_other_way_round():
    house = parse(House, {"box": {"size": 1e3}, "floors": 2.0, "height": 3})
    assert (house.box.size, house.floors, house.height) == (1000, 2, 3.0)


@pytest.mark.parametrize("word", ["optim.lr=0", "batch_tokens=-1", "seed=true", "precision=fp8", "keep_checkpoints=0"])
def test_a_recipe_refuses_what_makes_no_sense(word):
    assert word.partition("=")[0] + ": " in recipe_errors(word)


def test_a_recipe_has_one_budget_and_one_beginning():
    assert "expected one of budget_tokens, budget_steps, budget_epochs" in recipe_errors("budget_tokens=5")
    assert "expected either model (a fresh one) or init" in recipe_errors("init=folder")


class Shed(Config):
    renamed: ClassVar = {"floors": "levels"}
    levels: int = 1


def test_a_field_that_was_renamed_is_read_by_its_old_name():
    assert parse(Shed, {"floors": 3}) == Shed(levels=3) == parse(Shed, dump(Shed(levels=3)))
    assert wrong({"floors": 3, "levels": 2}, Shed)[0].startswith("house.toml: floors: unknown key")


def test_configs_are_frozen():
    with pytest.raises(Exception, match="frozen"):
        Hammer().head = 4


def test_replacing_a_field_validates_it():
    assert Hammer().replace(head=4) == Hammer(head=4)
    with pytest.raises(ValueError, match="head"):
        Hammer().replace(head="x")


def test_changing_the_kind_drops_the_fields_of_the_old_one():
    below = {"tool": {"kind": "saw", "blade": 2.0, "weight": 3.0}, "size": 4}
    assert merge(below, {"tool": {"kind": "hammer"}}) == {"tool": {"kind": "hammer"}, "size": 4}
    assert merge(below, {"tool": "hammer"}) == {"tool": "hammer", "size": 4}
    assert merge(below, {"tool": {"kind": "saw", "blade": 1.0}})["tool"]["weight"] == 3.0
    assert merge(below, {"tool": {"blade": 1.0}})["tool"] == {"kind": "saw", "blade": 1.0, "weight": 3.0}
    assert merge({"tool": "hammer"}, {"tool": {"head": 2}}) == {"tool": {"kind": "hammer", "head": 2}}


def test_merging_changes_neither_tree():
    below, above = {"a": {"b": 1}}, {"a": {"c": 2}}
    merge(below, above)
    assert (below, above) == ({"a": {"b": 1}}, {"a": {"c": 2}})


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("3", 3),
        ("3e-4", 3e-4),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ('"3"', "3"),
        ("llama", "llama"),
        ("", ""),
        ("runs/my folder", "runs/my folder"),
        ("a=b", "a=b"),
        ('{kind = "saw"}', {"kind": "saw"}),
        ("1.5.2", "1.5.2"),
    ],
)
def test_an_override_is_toml_or_else_a_string(word, value):
    assert override({}, [f"a.b={word}"]) == {"a": {"b": value}}


def test_overrides_are_laid_over_in_order():
    tree = {"optim": {"kind": "adamw", "lr": 1.0}, "seed": 0}
    assert override(tree, ["optim.lr=2", "optim.lr=3", "seed=1"]) == {"optim": {"kind": "adamw", "lr": 3}, "seed": 1}


def test_an_unset_field_has_its_default_or_is_none():
    tree = {"box": {"tool": {"kind": "hammer", "head": 5}, "size": 9}, "floors": 2, "height": 7.0}
    house = parse(House, override(tree, ["~box.tool.head", "~box.size", "~floors", "~height"]))
    assert (house.box.tool.head, house.box.size, house.floors, house.height) == (3, 1, None, 2.5)
    assert parse(House, override(tree, ["~box.tool"])).box.tool == Hammer()
    assert parse(Recipe, override(dump(tiny.recipe()), ["~data.length"])).data.length is None


def test_a_field_of_a_preset_is_unset_too():
    tree = {"preset": "gemma2", "depth": 1}
    assert parse(ModelConfig, tree).decoder.softcap == 50.0
    assert parse(ModelConfig, override(tree, ["~decoder.softcap"])).decoder.softcap is None


def test_what_is_unset_must_be_a_field_and_not_required():
    assert "optim.lrr: unknown key; did you mean 'lr'" in recipe_errors("~optim.lrr")
    assert "data.path: required, and not given" in recipe_errors("~data.path")


def test_an_empty_value_is_an_empty_text():
    assert override({"init": "x"}, ["init="]) == {"init": ""}


def test_a_number_of_more_digits_than_python_reads_is_told_as_one():
    assert "seed: expected a whole number, at least 0" in recipe_errors(f"seed={'9' * 5000}")


@pytest.mark.parametrize("word", ["lr", "=3", "", "~", "~=3"])
def test_an_override_without_key_or_value_is_refused(word):
    with pytest.raises(ConfigError, match="expected an override key=value"):
        override({}, [word])


def test_a_file_stands_on_one_other(tmp_path):
    (tmp_path / "base.toml").write_text('seed = 1\n[optim]\nkind = "adamw"\nlr = 0.1\n')
    (tmp_path / "top.toml").write_text('base = "base.toml"\n[optim]\nlr = 0.2\n')
    assert read_toml(tmp_path / "top.toml") == {"seed": 1, "optim": {"kind": "adamw", "lr": 0.2}}


def test_a_base_with_a_base_is_refused(tmp_path):
    for name, base in (("a", "b"), ("b", "c"), ("c", "")):
        (tmp_path / f"{name}.toml").write_text(f'base = "{base}.toml"\n' if base else "")
    with pytest.raises(ConfigError, match=r"a\.toml: its base b\.toml has a base itself"):
        read_toml(tmp_path / "a.toml")


@pytest.mark.parametrize(
    ("raw", "message"),
    [(None, "no such recipe"), (b"a = ", "not a TOML file"), (b"\xff", "not a TOML file"), (b"base = 3", "base")],
)
def test_a_recipe_that_cannot_be_read_is_named(tmp_path, raw, message):
    if raw is not None:
        (tmp_path / "x.toml").write_bytes(raw)
    with pytest.raises(ConfigError, match=rf"x\.toml: .*{message}"):
        read_toml(tmp_path / "x.toml")


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_survives_dump_and_parse(preset):
    config = parse(ModelConfig, {"preset": preset, "depth": 2})
    again = parse(ModelConfig, json.loads(json.dumps(dump(config))))
    assert again == config and dump(again) == dump(config)


def test_a_preset_is_the_same_whatever_depth_it_was_dumped_at():
    config = parse(ModelConfig, {"preset": "llama", "depth": 3, "hidden_size": 96, "decoder": {"norm": {"eps": 1e-3}}})
    assert config.decoder.layers == 3 and config.hidden_size == 96 and config.decoder.norm.eps == 1e-3
    assert parse(ModelConfig, dump(config)).decoder == config.decoder


def test_a_recipe_survives_dump_and_parse():
    recipe = tiny.recipe(budget_tokens=10**6, schedule={"kind": "wsd", "decay": 0.2}, objective="instruct")
    assert parse(Recipe, json.loads(json.dumps(dump(recipe)))) == recipe


def test_an_unknown_preset_is_told_with_those_there_are():
    with pytest.raises(ConfigError, match=r"unknown preset 'lama'; known: .*llama"):
        parse(ModelConfig, {"preset": "lama"})


def test_a_plugin_joins_its_family(tmp_path):
    file = tmp_path / "my_schedule.py"
    file.write_text(
        "from trivium.train.schedule import Schedule\n"
        "class Half(Schedule, kind='half'):\n"
        "    def after(self, step, steps):\n        return 0.5\n"
    )
    try:
        plugin.load([str(file)])
        plugin.load([str(file)])  # twice is once
        assert tiny.recipe(schedule="half").schedule.factor(3, 10) == 0.5
    finally:
        from trivium.train.schedule import Schedule

        Schedule.kinds.pop("half", None)


def test_plugins_of_one_name_in_two_folders_are_two_plugins(tmp_path):
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "mine.py").write_text(f"import sys\nsys.plugin_{number} = True\n")
    plugin.load([str(tmp_path / "1" / "mine.py"), str(tmp_path / "2" / "mine.py")])
    assert sys.plugin_1 and sys.plugin_2


def test_a_plugin_that_is_not_there_is_an_error(tmp_path):
    for name in (tmp_path / "missing.py", tmp_path):
        with pytest.raises(ConfigError, match=r"my\.toml: imports: .*: no such Python file"):
            plugin.load([str(name)], "my.toml")


def test_a_kind_belongs_to_its_own_family():
    assert set(Tool.kinds) == {"hammer", "saw"} and Tool.kinds["saw"] is Saw and Saw.kind == "saw"
    with pytest.raises(AssertionError, match="taken"):

        class Mallet(Tool, kind="hammer"):
            pass


def test_every_field_can_be_listed():
    keys = {key.path: key for key in fields(House)}
    assert keys["height"].default == "2.5" and keys["box"].default == "required"
    assert keys["floors"] == ("floors", "int | None", "None", "at least 1 and below 9", "Storeys, without the cellar.")
    listed = list(fields(House, "box.tool"))
    assert ("box.tool {kind=saw}", "kind", "", "", "Cuts.") in listed
    assert ("box.tool.blade", "float", "required", "", "") in listed
    assert {"model.decoder.layers", "model.decoder.norm"} <= {key.path for key in fields(Recipe, "model.decoder")}


def test_listing_below_what_is_not_there_is_an_error():
    with pytest.raises(ConfigError, match=r"box\.tol: no such key; did you mean 'tool'"):
        list(fields(House, "box.tol"))
    with pytest.raises(ConfigError, match=r"box\.size: no such key"):
        list(fields(House, "box.size"))


@pytest.mark.parametrize(("text", "message"), [("seed = " + "9" * 5000, "4300 digits"), ("a = " + "[" * 9999, "")])
def test_what_python_cannot_hold_is_no_toml_file(tmp_path, text, message):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ConfigError, match=rf"a\.toml: not a TOML file: .*{message}") as wrong:
        read_toml(tmp_path / "a.toml")
    assert "sys." not in str(wrong.value)
    with pytest.raises(ConfigError, match=r"expected a recipe \(a TOML file\), found a folder or a device"):
        read_toml("/dev/zero")
