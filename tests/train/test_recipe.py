import json

import pytest

import tiny
from trivium.base.config import dump, parse
from trivium.base.errors import ConfigError
from trivium.token.tokenizer import Tokenizer
from trivium.train.loss.label import LabelLoss
from trivium.train.loss.prefer import PreferLoss
from trivium.train.loss.token import TokenLoss
from trivium.train.recipe import Recipe, read_recipe, tokenizer_in
from trivium.train.schedule import WSD

TEXT = """
batch_tokens = 4096
budget_steps = 10

[data]
path = "corpus"

[model]
preset = "llama"
depth = 2

[schedule]
kind = "wsd"
warmup_steps = 5
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "tiny.toml").write_text(TEXT)
    return tmp_path / "tiny.toml"


def test_a_recipe_is_read_with_its_overrides(file):
    recipe = read_recipe(file, ["optim.lr=1e-2", "schedule.decay=0.3", "model.decoder.layers=5", "seed=7"])
    assert recipe.optim.lr == 1e-2 and recipe.seed == 7
    assert recipe.schedule == WSD(warmup_steps=5, decay=0.3)
    assert (recipe.model.decoder.layers, recipe.model.decoder.heads, recipe.model.hidden_size) == (5, 2, 128)
    assert recipe.data.path == ("corpus",)


def test_changing_the_kind_on_the_command_line_drops_the_old_fields(file):
    with pytest.raises(ConfigError, match=r"schedule\.decay"):
        read_recipe(file, ["schedule.kind=cosine", "schedule.decay=0.3"])
    assert read_recipe(file, ["schedule.kind=cosine"]).schedule.warmup_steps == 0


def budgets(file, *words):
    recipe = read_recipe(file, words)
    return recipe.budget_tokens, recipe.budget_steps, recipe.budget_epochs


def test_the_last_budget_that_is_named_counts(file):
    assert budgets(file) == (None, 10, None)
    assert budgets(file, "budget_tokens=1e6") == (1_000_000, None, None)
    assert budgets(file, "budget_tokens=1e6", "budget_epochs=2") == (None, None, 2.0)
    assert budgets(file, "budget_epochs=2", "~budget_tokens") == (None, None, 2.0)
    above = file.with_name("above.toml")
    above.write_text(f"base = {file.name!r}\nbudget_epochs = 3\n")
    assert budgets(above) == (None, None, 3.0)
    with pytest.raises(ConfigError, match="expected one of budget_tokens"):
        budgets(file, "~budget_steps")


def test_two_budgets_in_one_file_are_an_error(file):
    file.write_text(TEXT.replace("budget_steps = 10", "budget_steps = 10\nbudget_epochs = 1"))
    with pytest.raises(ConfigError, match="expected one of budget_tokens"):
        read_recipe(file)


def test_an_unset_loss_is_that_of_the_objective(file):
    assert read_recipe(file, ["loss.z_loss=0.1", "~loss"]).loss.z_loss == 0.0


def test_errors_name_the_file(file):
    with pytest.raises(ConfigError, match=r"tiny\.toml: sed: unknown key; did you mean 'seed'"):
        read_recipe(file, ["sed=1"])


@pytest.mark.parametrize("brackets", [False, True])
def test_an_open_vocabulary_is_that_of_the_data(file, tmp_path, brackets):
    path = json.dumps(str(tiny.write_corpus(tmp_path / "corpus", tiny.documents([5]), vocab_size=640)))
    words = [f"data.path=[{path}]" if brackets else f"data.path={path}"]
    assert read_recipe(file, words).model.vocab_size == 640
    assert read_recipe(file, [*words, "model.vocab_size=704"]).model.vocab_size == 704
    assert read_recipe(file).model.vocab_size == 32000  # the preset's, where there is no data yet


def test_a_recipe_can_be_all_words(tmp_path):
    recipe = read_recipe(None, ["data.path=rows.jsonl", "init=folder", "objective=instruct", "budget_epochs=3"])
    assert recipe.init == "folder" and recipe.objective.kind == "instruct" and recipe.model is None


def test_a_recipes_own_kinds_are_loaded_first(file, tmp_path):
    from trivium.train.schedule import Schedule

    (tmp_path / "mine.py").write_text(
        "from trivium.train.schedule import Schedule\nclass Mine(Schedule, kind='mine'):\n    knob: int = 1\n"
    )
    try:
        words = [f'imports=["{tmp_path / "mine.py"}"]', "schedule.kind=mine", "schedule.knob=3"]
        file.write_text(TEXT.split("[schedule]")[0])
        assert read_recipe(file, words).schedule.knob == 3
    finally:
        Schedule.kinds.pop("mine", None)


def test_what_is_saved_is_the_whole_tree(file):
    recipe = read_recipe(file)
    tree = dump(recipe)
    assert set(tree) == set(Recipe.model_fields) and parse(Recipe, tree) == recipe


def test_a_step_has_at_least_one_row():
    assert tiny.recipe(batch_tokens=100).step_rows(32) == 3
    assert tiny.recipe(batch_tokens=10).step_rows(32) == 1


def loss_of(*words):
    return read_recipe(None, ["data.path=rows.jsonl", "init=folder", "budget_epochs=3", *words]).loss


def test_a_recipe_has_the_loss_of_its_objective():
    assert loss_of() == TokenLoss() == loss_of("objective=instruct")
    assert loss_of("objective=prefer") == PreferLoss()
    assert loss_of("objective.kind=prefer", "loss.beta=0.2") == PreferLoss(beta=0.2)
    assert loss_of("objective=label", "loss.label_smoothing=0.1") == LabelLoss(label_smoothing=0.1)


def test_a_field_that_the_loss_lacks_is_refused_with_its_own():
    with pytest.raises(ConfigError, match=r"loss\.temperature: unknown key$"):
        loss_of("objective=prefer", "loss.temperature=0.2")
    with pytest.raises(ConfigError, match=r"loss\.bet: unknown key; did you mean 'beta'\?"):
        loss_of("objective=prefer", "loss.bet=0.2")
    with pytest.raises(ConfigError, match=r"loss: prefer needs targets named margin, and the objective label makes"):
        loss_of("objective=label", "loss.kind=prefer")


def test_the_fields_of_every_loss_are_read_where_they_were_saved():
    every = {"label_smoothing": 0.0, "z_loss": 0.0, "temperature": 0.05, "beta": 0.3, "chunk_rows": 512}
    tree = {"data": {"path": ["rows"]}, "init": "folder", "budget_epochs": 1, "loss": every}
    assert parse(Recipe, {**tree, "objective": {"kind": "prefer"}}).loss == PreferLoss(beta=0.3)
    with pytest.raises(ConfigError, match=r"loss\.gamma: unknown key"):
        parse(Recipe, {**tree, "loss": {**every, "gamma": 1}})


def test_bytes_is_the_tokenizer_without_merges():
    assert tokenizer_in("bytes").identity == Tokenizer.bytes().identity
