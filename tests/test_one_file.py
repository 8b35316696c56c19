"""A kind of the user's own of every axis in one file: training, saving, loading, generating and resuming with all.

Nothing in `src` knows the names in `own.py`. If one of them needed an enum, an elif or a longer list, this fails.
"""

import json
import sys
from pathlib import Path

import pytest
import torch

import shapes
import small
import tiny
from places import causal, packed, patterns
from runs import LINES, interrupt
from tolerance import close
from trivium import api
from trivium.base import plugin
from trivium.base.config import Choice, dump, merge, parse
from trivium.base.errors import ModelError
from trivium.base.files import sha256
from trivium.base.process import Interrupted
from trivium.base.types import Message
from trivium.corpus import engine
from trivium.corpus.clean import filter
from trivium.corpus.prepare import Preparation, prepare
from trivium.image.lines.level import LineLevel
from trivium.model import init
from trivium.model.attention import kernel, pattern
from trivium.model.attention.view import View
from trivium.model.layer import embed, ffn, head, norm, position, residual
from trivium.model.transformer import Transformer
from trivium.objective import objective
from trivium.rows.record import Record
from trivium.task.finetune import finetune, recipe_for
from trivium.task.run import run
from trivium.task.task import Task
from trivium.token import template
from trivium.token.tokenizer import Tokenizer
from trivium.train import schedule
from trivium.train.loop import train
from trivium.train.loss import loss
from trivium.train.optim import optim
from trivium.train.recipe import Recipe
from trivium.train.track import tracker

OWN = Path(__file__).with_name("own.py")
FAMILIES: dict[str, type[Choice]] = {
    "norm": norm.Norm,
    "ffn": ffn.FFN,
    "position": position.Position,
    "scaling": position.Scaling,
    "pattern": pattern.Pattern,
    "residual": residual.Residual,
    "kernel": kernel.Kernel,
    "init": init.Init,
    "embed": embed.Embed,
    "head": head.Head,
    "objective": objective.Objective,
    "loss": loss.Loss,
    "optim": optim.Optim,
    "schedule": schedule.Schedule,
    "tracker": tracker.Tracker,
    "template": template.Template,
    "filter": filter.Filter,
    "engine": engine.Engine,
}
KERNELS = [pytest.param(kind, marks=pytest.mark.slow if kind == "flex" else ()) for kind in sorted(kernel.Kernel.kinds)]


@pytest.fixture(autouse=True)
def used():
    """Import the file, give its notes of what was used, and forget its kinds again."""
    with tiny.forgetting():
        plugin.load([OWN])
        yield next(sys.modules[name].USED for name in plugin.IMPORTED)


TREE = {
    "data": {"path": ["nowhere"]},
    "objective": "house",
    "model": {
        "vocab_size": 64,
        "hidden_size": 32,
        "context": 64,
        "tie": False,
        "embed": "house",
        "head": "house",
        "init": "house",
        "kernel": "house",
        "decoder": {
            "layers": 2,
            "heads": 2,
            "norm": {"kind": "house", "alpha": 0.7},
            "ffn": "house",
            "pattern": "house",
            "position": ["house", {"kind": "rope", "scaling": "house"}],
            "residual": "house",
            "qk_norm": "house",
        },
    },
    "loss": {"kind": "house", "chunk_rows": 8},
    "optim": {"kind": "house", "lr": 0.1},
    "schedule": "house",
    "track": "house",
    "budget_steps": 2,
    "precision": "fp32",
}


def test_no_axis_is_missing_here():
    mine = {cls for cls in tiny.families() if cls.__module__.startswith("trivium.")}
    mine -= {Record, Task}  # these are in test_one_task
    mine -= {LineLevel}  # in image/lines/test_level
    assert mine == set(FAMILIES.values())


def test_one_recipe_with_a_new_kind_of_everything_trains(tmp_path, used):
    recipe = parse(Recipe, TREE)
    folder = tiny.write_corpus(tmp_path / "data", tiny.documents([20, 9, 30, 14]))
    corpus = tiny.Corpus(folder, "train")
    rows = tiny.DocumentRows(corpus, recipe.objective, tiny.VOCABULARY, 16)
    torch.manual_seed(0)
    model = Transformer(recipe.model)
    reached = set()
    for name, p in model.named_parameters():
        p.register_hook(lambda grad, name=name: reached.add(name) if grad.any() else None)
    step = train(model, tiny.loader(rows), recipe, 2, tmp_path)
    assert set(FAMILIES) - {"template", "filter", "engine"} == used
    assert step.finite and step.skipped == 0 and step.targets > 0
    assert reached == {name for name, _ in model.named_parameters()}


@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize("kind", KERNELS)
def test_a_new_pattern_is_at_once_in_every_kernel(kind):
    """Packed and padded, over several blocks of FlexAttention, where the machine can run the kernel."""
    made = pattern.Pattern.parse("house")
    where = packed([[150, 90], [-20, 200]], 250)
    q, k, v = torch.randn(3, 2, 2, 250, 8)
    view = View(made, where, where)
    if (why := kernel.Kernel.kinds[kind]().refuse(kernel.Case(view, grad=False))) is not None:
        pytest.skip(f"{kind} {why}")
    found = kernel.Kernel.kinds[kind]().attend(q, k, v, view, 8**-0.5)
    assert torch.allclose(found, kernel.Eager().attend(q, k, v, view, 8**-0.5), atol=1e-5)
    whole = kernel.Eager().attend(q, k, v, View(pattern.Causal(), where, where), 8**-0.5)
    assert not torch.allclose(found, whole, atol=1e-2), "the pattern is causal alone"


def test_a_new_pattern_is_at_once_in_every_test():
    assert patterns()["house"] == pattern.Pattern.parse("house") == causal(patterns()["house"])
    assert patterns()["house"].draw(4) == "#...\n.#..\n#.#.\n.#.#"


def test_the_saved_recipe_is_read_back():
    recipe = parse(Recipe, TREE)
    again = parse(Recipe, json.loads(json.dumps(dump(recipe))))
    assert again == recipe and again.model.decoder.norm.alpha == 0.7


def test_a_copy_is_learned(tmp_path):
    """The kinds do what they say: a model that predicts its own input gets better at it."""
    recipe = parse(Recipe, {**TREE, "optim": {"kind": "house", "lr": 1.0}})
    folder = tiny.write_corpus(tmp_path / "data", tiny.documents([20, 9, 30, 14]))
    rows = tiny.DocumentRows(tiny.Corpus(folder, "train"), recipe.objective, tiny.VOCABULARY, 16)
    torch.manual_seed(0)
    model = Transformer(recipe.model)
    train(model, tiny.loader(rows), recipe.replace(log_every_steps=1), 100, tmp_path)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0] / 2


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder of some lines, in bytes."""
    folder = tmp_path_factory.mktemp("own")
    for number in range(12):
        (folder / f"{number:02d}.txt").write_text("\n".join(f"{line} {number}" for line in LINES))
    prepare([folder], folder / "data", Preparation(tokenizer="bytes", near=None, valid_share=0.2))
    return folder / "data"


def recipe_of(data):
    changes = {"data": {"path": [str(data)], "length": 32}, "model": {"vocab_size": 384}}
    tree = merge(TREE, {**changes, "batch_tokens": 64, "micro_rows": 2, "budget_steps": 4, "imports": [str(OWN)]})
    return parse(Recipe, tree)


def test_a_model_of_own_kinds_is_saved_loaded_and_generates(data, tmp_path):
    folder = run(recipe_of(data), tmp_path / "run")
    about = json.loads((folder / "trivium.json").read_text())
    assert about["imports"] == [{"file": "own.py", "sha256": sha256(OWN)}]
    assert about["recipe"]["imports"] == ["own.py"] and str(OWN.parent) not in (folder / "trivium.json").read_text()
    made = api.load(folder)
    assert made.transformer.state_dict()["decoder.norm.alpha"].shape == (), "a scalar weight"
    text = made.generate("The river", max_new_tokens=5)
    ids = [made.encode("The river")]
    assert made.generate(ids, max_new_tokens=5) == [made.generate(ids[0], max_new_tokens=5)]
    made.save(tmp_path / "again")
    with tiny.forgetting():
        again = api.load(tmp_path / "again", imports=[OWN])
        assert again.generate("The river", max_new_tokens=5) == text
        assert torch.equal(again.logits(ids), made.logits(ids))


def test_a_model_of_own_kinds_names_the_file_that_it_needs(data, tmp_path, capsys):
    made = api.Model(Transformer(parse(Recipe, TREE).model))
    made.save(tmp_path / "m")
    (tmp_path / "else.py").write_text(OWN.read_text())
    (tmp_path / "own.py").write_text(OWN.read_text() + "\n")
    with tiny.forgetting():
        with pytest.raises(
            ModelError, match=r"trivium\.json: needs the kinds of 'own\.py', .*--imports own\.py"
        ) as error:
            api.load(tmp_path / "m")
        assert "\n" not in str(error.value)
        api.load(tmp_path / "m", imports=[tmp_path / "else.py"])
        assert "warning" not in capsys.readouterr().err, "the hash is what counts"
    with tiny.forgetting():
        api.load(tmp_path / "m", imports=[tmp_path / "own.py"])
        assert "own.py is not the file that the model was saved with" in capsys.readouterr().err


def test_a_run_of_own_kinds_is_resumed(data, tmp_path, monkeypatch):
    whole = run(recipe_of(data), tmp_path / "whole")
    interrupt(monkeypatch)
    with pytest.raises(Interrupted):
        run(recipe_of(data), tmp_path / "run")
    monkeypatch.undo()
    resumed = run(recipe_of(data), tmp_path / "run", resume=True)
    assert (resumed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_pictures_are_read_by_an_embedding_of_ones_own(tmp_path, used):
    pytest.importorskip("PIL")
    files, base = shapes.world(tmp_path / "rows", 6), shapes.reader(kind="house_pictures").save(tmp_path / "base")
    words = [*small.FAST, "budget_epochs=1", f'imports=["{OWN}"]']
    folder, _ = finetune("caption", recipe_for("caption", base, [str(files["text"])], (), words), tmp_path / "run")
    about, source = json.loads((folder / "trivium.json").read_text()), shapes.square("red")
    assert used == {"pictures"} and about["stock"] is None and about["imports"][0]["file"] == "own.py"
    made = api.load(folder)
    text, stock = made.generate(images=[source], max_new_tokens=5), shapes.reader()
    stock.transformer.load_state_dict(
        {name.replace(".inner.", "."): value for name, value in made.transformer.state_dict().items()}
    )
    seen, ids = torch.rand(1, 3, 16, 16), torch.tensor([[0, 5]])
    assert close(
        made.logits(pixel_values=seen, decoder_input_ids=ids), stock.logits(pixel_values=-seen, decoder_input_ids=ids)
    )
    with tiny.forgetting():
        assert api.load(folder, imports=[OWN]).generate(images=[source], max_new_tokens=5) == text


def test_text_is_prepared_by_an_engine_and_a_filter_of_ones_own(tmp_path, used):
    (tmp_path / "loud.txt").write_text("THE RIVER RUNS PAST THE BRIDGE")
    (tmp_path / "calm.txt").write_text("The letter came in the morning.")
    how = Preparation(tokenizer="bytes", near=None, filter="house")
    manifest = prepare([tmp_path], tmp_path / "data", how, engine=engine.Engine.parse("house"))
    assert used == {"filter", "engine"} and manifest["report"]["dropped"] == {"shouted": 1}
    assert not prepare([tmp_path], tmp_path / "data", how)["fresh"]


def test_data_of_a_filter_that_has_changed_is_made_again(tmp_path):
    def made() -> bool:
        with tiny.forgetting():
            plugin.load([tmp_path / "own.py"])
            how = Preparation(tokenizer="bytes", near=None, filter="house")
            return prepare([tmp_path / "text"], tmp_path / "data", how)["fresh"]

    (tmp_path / "text").mkdir()
    for name in "abcd":
        (tmp_path / "text" / f"{name}.txt").write_text(f"The letter {name} came in the morning.")
    (tmp_path / "own.py").write_text(OWN.read_text())
    assert made() and not made()
    (tmp_path / "own.py").write_text(OWN.read_text().replace("shouted", "loud"))
    assert made()


def test_a_worker_of_a_preparation_knows_the_kinds_too(tmp_path):
    for number in range(8):
        (tmp_path / f"{number}.txt").write_text(f"The letter {number} came in the morning.")
    how = Preparation(tokenizer="bytes", near=None, filter="house", shards=2)
    assert prepare([tmp_path], tmp_path / "data", how, engine=engine.Local(workers=2))["fresh"]


def test_a_conversation_is_written_by_a_template_of_ones_own(used):
    dressed = template.with_template(Tokenizer.bytes(), template.Template.parse("house"))
    ids = template.ids(template.render([Message("user", "hi"), Message("assistant", "ho")], dressed))
    assert dressed.decode(ids) == "user: hiassistant: ho</s>" and used == {"template"}
