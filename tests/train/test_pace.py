"""A run by minutes on a clock of the test: it ends on time with a decayed rate, and its steps repeat it bit for bit."""

import itertools

import pytest

import tiny
from ranks import together
from trivium.base.config import override, parse
from trivium.base.errors import ConfigError
from trivium.train.loop import train
from trivium.train.pace import Pace
from trivium.train.parallel.world import World
from trivium.train.recipe import Recipe, lay

MINUTES = 10.0


def timed(**changes):
    schedule = {"kind": "wsd", "warmup_steps": 5}
    return tiny.recipe(**{"budget_minutes": MINUTES, "schedule": schedule, **changes})


class Machine:
    """A run whose steps, evaluations and saves take the seconds that a test says, without any model."""

    def __init__(self, monkeypatch, step, evaluation=0.0, save=0.0, started=0.0, **changes):
        self.step, self.evaluation, self.saving, self.now = step, evaluation, save, 1000.0
        monkeypatch.setattr(Pace, "clock", staticmethod(lambda: self.now))
        self.recipe, self.done, self.rates = timed(**changes), 0, []
        self.pace = Pace(self.recipe, None, since=self.now)
        self.now += started

    def spend(self, what, seconds):
        with self.pace.aside(what):
            self.now += seconds

    def go(self, until=10**6):
        """Take steps until the end, or so many; return the seconds so far."""
        while self.done < min(self.pace.steps, until):
            assert self.pace.look(self.done, False, World()) == (False, False)
            self.rates.append(self.pace.lr(self.done) / self.recipe.optim.lr)
            self.now += self.step(self.done) if callable(self.step) else self.step
            self.done += 1
            final = self.done == self.pace.steps
            if final or self.done % self.recipe.eval_every_steps == 0:
                self.spend("evaluation", self.evaluation)
            if final or self.done % self.recipe.save_every_steps == 0:
                self.spend("save", self.saving)
        return self.now - 1000.0


@pytest.mark.parametrize("step", [0.05, 1.3, 20.0])
def test_a_steady_machine_ends_on_time_and_falls_in_the_share_of_the_schedule(monkeypatch, step):
    run = Machine(monkeypatch, step, started=30.0)
    seconds = run.go()
    assert 60 * MINUTES - 2 * step <= seconds <= 60 * MINUTES
    ((begin, end),) = run.pace.turns
    assert (end - begin) / (end - 5) == pytest.approx(0.4, abs=2 / (end - 5))
    assert run.rates[begin] == 1.0 and run.rates[-1] == pytest.approx(1 / (end - begin))


def test_evaluations_and_saves_count(monkeypatch):
    """The last of each too, though it is not due: eight evaluations of 20 s, and the model is written as well."""
    run = Machine(monkeypatch, 0.5, evaluation=20.0, save=7.0, eval_every_steps=100, save_every_steps=150)
    assert 60 * MINUTES - 9 <= run.go() + 7.0 <= 60 * MINUTES


@pytest.mark.parametrize("factor", [0.3, 3.0])
@pytest.mark.parametrize("at", [0.3, 0.7, 0.9])
def test_a_machine_that_changes_its_speed_still_ends_on_time(monkeypatch, factor, at):
    run = Machine(monkeypatch, 1.0)
    run.step = lambda done: factor if run.now - 1000 > at * 60 * MINUTES else 1.0
    seconds = run.go()
    assert 60 * MINUTES * 0.96 <= seconds <= 60 * MINUTES * 1.01
    assert run.rates[-1] < 0.1 and len(run.pace.turns) < 16
    fall = run.rates[run.pace.turns[0][0] :]
    assert fall == sorted(fall, reverse=True)


def test_a_restless_machine_moves_the_end_a_few_times_only(monkeypatch):
    """Twenty steps fast, twenty steps slow, and so on."""
    run = Machine(monkeypatch, 1.0)
    run.step = lambda done: 0.2 * (1.4 if done // 20 % 2 else 0.7)
    assert 60 * MINUTES * 0.98 <= run.go() <= 60 * MINUTES
    assert len(run.pace.turns) < 6


def test_without_time_there_is_one_step(monkeypatch):
    assert Machine(monkeypatch, 1.0, started=5000.0).go() == 5001.0


def test_a_constant_rate_ends_when_the_time_is_over(monkeypatch):
    run = Machine(monkeypatch, 2.0, schedule="constant")
    assert 60 * MINUTES - 4 <= run.go() <= 60 * MINUTES
    assert run.pace.repeats("fp32") == f"budget_steps={run.done}"


def test_a_fall_from_the_start_is_planned_as_soon_as_steps_were_timed(monkeypatch):
    run = Machine(monkeypatch, 1.0, schedule={"kind": "wsd", "decay": 1.0})
    assert 60 * MINUTES - 5 <= run.go() <= 60 * MINUTES
    assert run.pace.turns[0][0] <= 3 and run.rates[300] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("stop", [100, 450])
def test_a_resumed_run_keeps_its_decision_and_counts_the_time_before(monkeypatch, stop):
    run = Machine(monkeypatch, 1.0)
    run.go(until=stop)
    state, turns, spent = run.pace.state(), run.pace.turns, run.now - 1000
    assert bool(turns) == (stop == 450)
    run.now += 86_400.0
    run.pace = Pace(run.recipe, None, since=run.now, state=state)
    began = run.now
    run.go()
    assert run.pace.turns[: len(turns)] == turns
    assert spent + run.now - began == pytest.approx(60 * MINUTES, abs=3)


def test_the_rate_of_a_decided_run_is_that_of_the_recipe_by_steps(monkeypatch):
    run = Machine(monkeypatch, 1.0)
    run.step = lambda done: 3.0 if run.now - 1000 > 500 else 1.0
    run.go()
    assert len(run.pace.turns) > 1
    again = repeated(run.recipe, run.pace.repeats("fp32"))
    rates = [Pace(again, again.budget_steps).lr(step) / again.optim.lr for step in range(run.done)]
    assert rates == run.rates


def repeated(recipe, overrides):
    tree = override(recipe.model_dump(exclude={"budget_minutes", "loss", "schedule", "objective", "model"}), [])
    tree |= {"model": recipe.model, "objective": recipe.objective, "schedule": {"kind": "wsd", "warmup_steps": 5}}
    return parse(Recipe, override(tree, overrides.split(), lay))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny.write_corpus(tmp_path_factory.mktemp("pace"), tiny.documents([11, 30, 5, 17, 9, 8, 22, 13]))


def weights(folder):
    return [path.read_bytes() for path in sorted(folder.glob("checkpoints/*/*.safetensors"))]


def fit(data, folder, recipe, ranks=World(), steps=None):
    loader = tiny.loader(tiny.document_rows(data), rank=ranks.rank, world=ranks.size)
    folder.mkdir(exist_ok=True)
    return train(tiny.model(layers=1, dropout=0.1), loader, recipe, steps, folder, ranks)


def test_the_steps_of_a_run_by_minutes_repeat_it_bit_for_bit(data, tmp_path, monkeypatch, capsys):
    ticks = itertools.count()
    monkeypatch.setattr(Pace, "clock", staticmethod(lambda: 0.5 * next(ticks)))
    recipe = timed(budget_minutes=0.5, save_every_steps=1000, keep_checkpoints=1)
    last = fit(data, tmp_path / "minutes", recipe)
    assert 5 < last.step < 60 and f"begins to end at step {last.step}" in capsys.readouterr().out
    again = repeated(recipe, last.repeats)
    assert fit(data, tmp_path / "steps", again, steps=again.budget_steps).repeats == ""
    assert weights(tmp_path / "steps") == weights(tmp_path / "minutes")


def test_a_run_by_minutes_that_is_over_does_nothing_more(data, tmp_path, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(Pace, "clock", staticmethod(lambda: 0.5 * next(ticks)))
    recipe = timed(budget_minutes=0.5)
    last = fit(data, tmp_path / "run", recipe)
    before = weights(tmp_path / "run")
    assert fit(data, tmp_path / "run", recipe).step == last.step and weights(tmp_path / "run") == before


def test_all_ranks_follow_the_clock_of_the_first(data, tmp_path):
    def act(ranks):
        ticks = itertools.count()
        Pace.clock = staticmethod(lambda: (1.0 + 9.0 * ranks.rank) * next(ticks))
        last = fit(data, tmp_path / "run", timed(budget_minutes=0.5), ranks)
        return [last.step, last.repeats]

    first, second = together(2, act, tmp_path / "ranks")
    assert first == second and first[0] > 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "cosine"}, "the schedule cosine has no end that a clock can move; take one of constant, wsd"),
        ({"schedule": {"kind": "wsd", "turns": [[1, 2]]}}, "without turns"),
        ({"budget_minutes": 0}, "above 0"),
        ({"budget_minutes": 1e9}, "at most"),
        ({"budget_steps": 3}, "expected one of budget_tokens, budget_steps, budget_epochs, budget_minutes"),
    ],
)
def test_what_no_clock_can_do_is_one_clear_line(changes, message):
    with pytest.raises(ConfigError, match=message):
        timed(**changes)


def test_the_schedule_of_minutes_is_wsd_unless_the_recipe_says_another():
    tree = {"data": {"path": "a"}, "init": "b", "budget_minutes": 3}
    assert parse(Recipe, tree).schedule.kind == "wsd"
    warm = parse(Recipe, {**tree, "schedule": {"warmup_steps": 7}})
    assert (warm.schedule.kind, warm.schedule.warmup_steps) == ("wsd", 7)
