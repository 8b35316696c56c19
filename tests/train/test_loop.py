import json
import os
import signal
import time

import pytest
import torch

import grains
import tiny
from crash import full_disk
from grains import FAMILIES, GrainRun
from runs import Signalled
from trivium.base.errors import NumericsError, TriviumError
from trivium.base.process import SIGNALS, Interrupted
from trivium.data.loader import in_order
from trivium.train import loop
from trivium.train.checkpoint import checkpoints, find, save_checkpoint
from trivium.train.evaluate import evaluate
from trivium.train.loop import autocast_dtype, train
from trivium.train.optim.adamw import AdamW
from trivium.train.parallel.world import World

STEPS = 12
LENGTHS = [11, 30, 5, 17, 9, 8, 22, 13]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Some 10 rows, so that 12 steps of 3 rows end in the fourth epoch."""
    folder = tmp_path_factory.mktemp("loop")
    return tiny.write_corpus(folder, tiny.documents(LENGTHS), tiny.documents([12, 20], seed=4))


class Run:
    """A run of a model with dropout, evaluated now and then, that can be told to stop after a step."""

    def __init__(self, data, folder, **changes):
        self.rows, self.valid = tiny.document_rows(data), tiny.document_rows(data, split="valid")
        assert 2 * STEPS < 3 * self.rows.size(0) < 3 * STEPS
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.recipe = tiny.recipe(
            **{
                "schedule": {"kind": "cosine", "warmup_steps": 2},
                "eval_every_steps": 3,
                "save_every_steps": 4,
                **changes,
            }
        )

    def go(self, stop_after=None, steps=STEPS, model=None, from_step=None, **options):
        """Train with a fresh model and a fresh loader, as a new process would; return the last step."""
        self.model = model or tiny.model("gpt2", dropout=0.1, attention_dropout=0.1, **options)
        loader = tiny.loader(self.rows, 3, 2)
        stream = loader.stream

        def signalled(start, stop):
            for step, batches in enumerate(stream(start, stop), start + 1):
                yield Signalled(batches) if step == stop_after else batches

        loader.stream = signalled
        score = lambda: evaluate(self.model, in_order(self.valid, 2, 0))
        return train(self.model, loader, self.recipe, steps, self.folder, score=score, from_step=from_step)

    def stopped(self, after):
        with pytest.raises(Interrupted, match=f"stopped after step {after} of {STEPS}, saved"):
            self.go(stop_after=after)

    def state(self, step=STEPS):
        """The bytes of weights and optimizer at a step."""
        folder = self.folder / "checkpoints" / f"step-{step:08d}"
        return [(folder / name).read_bytes() for name in ("model.safetensors", "optim.safetensors")]

    def metrics(self):
        lines = map(json.loads, (self.folder / "metrics.jsonl").read_text().splitlines())
        return [
            {key: value for key, value in line.items() if "seconds" not in key and key != "memory"} for line in lines
        ]

    def losses_lines(self):
        return [line for line in self.metrics() if "loss" in line]

    def losses(self):
        return [line["loss"] for line in self.losses_lines()]


@pytest.mark.parametrize(
    ("precision", "gain", "name"), [("auto", 9.0, "bf16"), ("auto", 0.5, "fp32"), ("fp32", 9.0, "fp32")]
)
def test_the_precision_that_was_taken_is_said_and_kept(data, tmp_path, monkeypatch, capsys, precision, gain, name):
    monkeypatch.setattr(loop, "bf16_gain", lambda device: gain)
    Run(data, tmp_path, precision=precision, eval_every_steps=100).go(steps=1)
    kept = json.loads((tmp_path / "environment.json").read_text())
    assert kept["precision"] == name and "torch" in kept
    assert f"precision: {name}{', chosen by auto' if precision == 'auto' else ''}\n" in capsys.readouterr().out


def test_a_run_keeps_the_precision_of_its_checkpoint(data, tmp_path, monkeypatch):
    for gain in (9.0, 0.5):
        monkeypatch.setattr(loop, "bf16_gain", lambda device: gain)  # noqa: B023
        Run(data, tmp_path, precision="auto").go(steps=1 if gain > 1 else 2)
        assert json.loads((tmp_path / "environment.json").read_text())["precision"] == "bf16"


def test_a_checkpoint_of_older_runs_counts_targets_as_tokens(data, tmp_path, monkeypatch, capsys):
    Run(data, tmp_path).go(steps=1)
    real = loop.load_checkpoint

    def older(*given):
        state = real(*given)
        facts = {key: value for key, value in state["facts"].items() if key != "all_targets"}
        return {**state, "facts": {**facts, "tokens": 7}}

    monkeypatch.setattr(loop, "load_checkpoint", older)
    last = Run(data, tmp_path).go(steps=2)
    assert last.all_targets == 7 + last.targets
    assert "an earlier version counted targets as tokens" in capsys.readouterr().err


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The run that nothing interrupts."""
    run = Run(data, tmp_path_factory.mktemp("whole"))
    run.go()
    return run


def test_it_learns(whole):
    losses = whole.losses()
    assert len(losses) == STEPS and losses[0] == pytest.approx(4.16, abs=0.1)  # ln 64
    assert losses[-1] < losses[0] - 0.3


def test_the_same_run_is_the_same_bit_for_bit(whole, data, tmp_path):
    again = Run(data, tmp_path)
    again.go()
    assert again.state() == whole.state() and again.metrics() == whole.metrics()


@pytest.mark.parametrize("after", range(1, STEPS))
def test_a_run_stopped_after_any_step_goes_on_bit_for_bit(whole, data, tmp_path, after):
    """With dropout, accumulation and warm-up, in the middle of an epoch and at its end, beside an evaluation."""
    run = Run(data, tmp_path)
    run.stopped(after)
    last = run.go()
    assert run.state() == whole.state()
    assert run.metrics() == whole.metrics()
    assert last.step == STEPS and last.tokens == whole.metrics()[-2]["tokens"]


def test_a_run_stopped_again_and_again_goes_on_bit_for_bit(whole, data, tmp_path):
    run = Run(data, tmp_path)
    for after in (2, 3, 9):
        run.stopped(after)
    run.go()
    assert run.state() == whole.state() and run.metrics() == whole.metrics()


def test_without_its_newest_checkpoint_a_run_repeats_the_steps_it_lost(whole, data, tmp_path):
    run = Run(data, tmp_path)
    run.stopped(6)
    (tmp_path / "checkpoints" / "step-00000006" / "optim.safetensors").write_bytes(b"")
    run.go()
    assert run.state() == whole.state() and run.metrics() == whole.metrics()


@pytest.fixture
def disk(monkeypatch):
    """Saves that are to fail, by their number, on a disk that is full at the time."""
    failing, fsync, seen = set(), os.fsync, []

    def full_at_times(handle):
        name = os.readlink(f"/proc/self/fd/{handle}")
        if "model.safetensors" in name:
            seen.append(name)
            if len(seen) in failing:
                full_disk()
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full_at_times)
    return failing


def test_a_save_that_fails_is_tried_again_at_the_next(whole, data, tmp_path, disk, capsys):
    disk.update({1, 2})
    run = Run(data, tmp_path)
    run.go()
    assert run.state() == whole.state() and run.metrics() == whole.metrics()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [f"step-{STEPS:08d}"]
    told = capsys.readouterr().err
    assert told.count("warning") == 2 and "No space left on device" in told and "step-00000004" in told


def test_the_third_save_in_a_row_that_fails_ends_the_run(whole, data, tmp_path, disk):
    disk.update({2, 4, 5, 6})
    run = Run(data, tmp_path, save_every_steps=1)
    with pytest.raises(TriviumError, match=r"step-00000006.*cannot write: No space left on device"):
        run.go()
    assert run.metrics()[-1]["step"] == 6
    disk.clear()
    run.go()  # goes on from step 3
    assert run.state() == whole.state() and run.metrics() == whole.metrics()


@pytest.mark.parametrize("after", [5, STEPS])
def test_the_save_before_the_end_must_not_fail(data, tmp_path, disk, after):
    disk.add((after + 3) // 4)
    with pytest.raises(TriviumError, match="No space left"):
        Run(data, tmp_path).go(stop_after=after)


def test_a_finished_run_does_nothing_more(whole, data, tmp_path):
    run = Run(data, tmp_path)
    run.go()
    before = run.metrics()
    assert run.go().step == STEPS and run.metrics() == before


def test_an_evaluation_that_a_signal_ended_is_made_up_for(whole, data, tmp_path):
    run = Run(data, tmp_path)
    run.stopped(STEPS)
    assert run.metrics() == whole.metrics()[:-1] and run.state() == whole.state()
    for _ in range(2):
        assert run.go().step == STEPS and run.metrics() == whole.metrics() and run.state() == whole.state()


def test_the_metrics_say_what_happened(whole):
    start, first, *_, last_loss, last_score = whole.metrics()
    assert start["step"] == 0 and start["valid_loss"] > last_score["valid_loss"]
    assert first["step"] == 1 and first["lr"] == pytest.approx(0.005) and first["finite"] and first["skipped"] == 0
    read, wanted = 0, 0
    for line, batches in zip(whole.losses_lines(), tiny.loader(whole.rows, 3, 2).stream(0, STEPS), strict=True):
        read += sum(int((batch.stream.documents > 0).sum()) for batch in batches)
        wanted += line["targets"]
        assert (line["tokens"], line["all_targets"]) == (read, wanted) and read > wanted, "EOS predicts nothing"
    assert last_loss["lr"] == pytest.approx(whole.recipe.optim.lr * whole.recipe.schedule.factor(STEPS - 1, STEPS))
    assert last_score["step"] == STEPS and last_score["valid_loss"] > 0
    assert [line["step"] for line in whole.metrics() if "valid_loss" in line] == [0, 3, 6, 9, 12]


SLOW = [
    (family, precision, parts, where)
    for family in FAMILIES
    for precision in ("fp32", "bf16")
    for parts in (1, 3)
    for where in ("inside an epoch", "between epochs")
]
FAST = [("encoder", "bf16", 1, "between epochs"), ("encoder-decoder", "fp32", 3, "inside an epoch")]


@pytest.mark.parametrize(
    ("family", "precision", "parts", "where"),
    [*FAST, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW if case not in FAST)],
)
def test_every_family_goes_on_bit_for_bit(family, precision, parts, where, tmp_path):
    """With dropout; in one micro-batch a step, or three that are added up; an epoch has one step, or one and a half."""
    data = grains.corpus(tmp_path / "data")
    whole, run = (
        GrainRun(data, tmp_path / name, family, deterministic=False, precision=precision) for name in ("whole", "run")
    )
    size = whole.rows.size(0)
    step_rows = size if where == "between epochs" else -(-2 * size // 3)
    options = {"step_rows": step_rows, "micro_rows": -(-step_rows // parts)}
    wanted = whole.go(steps=3, **options)
    run.go(steps=1, **options)
    assert run.go(steps=3, **options) == wanted
    losses = [[line["loss"] for line in one.lines("metrics.jsonl")] for one in (run, whole)]
    assert losses[0] == losses[1] and len({*losses[0]}) == 3


# What is not finite


def poison(model, calls):
    """Let some forward passes give NaN; passes count from 0."""
    count = iter(range(10**6))
    model.register_forward_hook(
        lambda m, inputs, out: out * float("nan") if m.training and next(count) in calls else out
    )
    return model


def test_a_step_that_is_not_finite_changes_nothing_but_the_counter(data, tmp_path):
    run = Run(data, tmp_path, save_every_steps=1, keep_checkpoints=20, eval_every_steps=100)
    run.go(steps=3, model=poison(tiny.model("gpt2"), {4, 5}))  # two passes a step: the third step
    assert run.state(3) == run.state(2)
    run.go(steps=5, model=tiny.model("gpt2"))
    assert run.state(4) != run.state(3)
    assert [line["skipped"] for line in run.losses_lines()] == [0, 0, 1, 1, 1]
    assert [line["finite"] for line in run.losses_lines()] == [True, True, False, True, True]


def test_one_micro_batch_is_enough_to_skip_a_step(data, tmp_path):
    run = Run(data, tmp_path, save_every_steps=1, keep_checkpoints=20, eval_every_steps=100)
    run.go(steps=2, model=poison(tiny.model("gpt2"), {2}))
    assert run.state(2) == run.state(1) and run.losses_lines()[1]["skipped"] == 1


def test_a_gradient_that_is_not_finite_is_seen_where_the_loss_is(data, tmp_path):
    model = tiny.model("gpt2")
    count = iter(range(100))
    model.decoder.norm.weight.register_hook(lambda g: g * float("inf") if next(count) == 2 else g)
    run = Run(data, tmp_path, save_every_steps=1, keep_checkpoints=20, eval_every_steps=100)
    run.go(steps=2, model=model)
    assert run.state(2) == run.state(1) and run.losses_lines()[1]["skipped"] == 1
    assert run.losses_lines()[1]["reason"] == "the gradient of decoder.norm.weight is not finite"


def test_ten_in_a_row_end_the_run(data, tmp_path):
    run = Run(data, tmp_path, eval_every_steps=100)
    with pytest.raises(NumericsError, match=r"step 11: 10 steps in a row were not finite") as error:
        run.go(steps=50, model=poison(tiny.model("gpt2"), set(range(2, 100))))
    assert error.value.exit_code == 4
    assert run.losses()[-1] is None and "NaN" not in (tmp_path / "metrics.jsonl").read_text()


def test_skipped_steps_are_told_and_nothing_is_saved_meanwhile(data, tmp_path, capsys):
    run = Run(data, tmp_path, save_every_steps=1, keep_checkpoints=2, eval_every_steps=100)
    bad = set(range(4, 12))  # steps 3 to 6
    with pytest.raises(Interrupted):
        run.go(stop_after=7, model=poison(tiny.model("gpt2"), bad | {12, 13}))
    assert sorted(checkpoints(tmp_path / "checkpoints")) == [2, 7], "the bad steps rotated nothing away"
    assert run.state(7) == run.state(2)
    told = capsys.readouterr()
    assert [f"step {n}: skipped: " in told.err for n in range(1, 9)] == [False] * 2 + [True] * 5 + [False]
    assert run.go(steps=9).skipped == 5 and "5 of 9 steps were skipped" in capsys.readouterr().out


SPOILED = {
    "weights whose products overflow": (1e30, r"step 1: the output of decoder\.\S+ is not finite"),
    "weights that overflow": (1e38, r"step 1: the weight tokens\.weight is not finite"),
}


@pytest.mark.parametrize("case", SPOILED)
@pytest.mark.parametrize("steps", [1, 5])
def test_a_state_that_is_not_finite_is_never_saved(data, tmp_path, case, steps):
    lr, message = SPOILED[case]
    run = Run(data, tmp_path, save_every_steps=1, schedule="constant")
    run.recipe = run.recipe.model_copy(update={"optim": AdamW.model_construct(lr=lr)})  # a recipe refuses such a rate
    with pytest.raises(NumericsError, match=message + ".*lower optim.lr and add --resume, which starts at step 0"):
        run.go(steps=steps)
    assert not (tmp_path / "checkpoints").exists()


def test_a_run_whose_every_step_was_skipped_is_no_model(data, tmp_path):
    run = Run(data, tmp_path, eval_every_steps=100)
    with pytest.raises(NumericsError, match=r"step 3: every step was skipped: .* is not finite"):
        run.go(steps=3, model=poison(tiny.model("gpt2"), set(range(20))))
    assert not (tmp_path / "checkpoints").exists()


def test_a_model_whose_held_out_loss_is_not_finite_is_not_saved(data, tmp_path):
    run = Run(data, tmp_path, save_every_steps=100)
    spoiled = tiny.model("gpt2")
    spoiled.register_forward_hook(lambda model, inputs, out: out if model.training else out * float("nan"))
    with pytest.raises(NumericsError, match=r"step 4: the held-out loss is not finite; lower optim.lr"):
        run.go(steps=4, model=spoiled)
    assert not (tmp_path / "checkpoints").exists()


def test_the_error_names_the_checkpoints_that_are_left(data, tmp_path):
    run = Run(data, tmp_path, eval_every_steps=100, keep_checkpoints=3)
    message = r"--resume, which starts from step 12; --from-step goes on from an older one \(4, 8\)"
    with pytest.raises(NumericsError, match=message):
        run.go(steps=50, model=poison(tiny.model("gpt2"), set(range(24, 100))))


def test_a_checkpoint_that_is_not_finite_is_not_gone_on_from(data, tmp_path):
    """As older versions could leave it."""
    model = tiny.model("gpt2")
    model.decoder.norm.bias.data[3] = float("nan")
    run, optimizer = Run(data, tmp_path), tiny.recipe().optim.build(model)
    state = {"facts": {"step": 4, "tokens": 9}, "bf16": False}
    save_checkpoint(tmp_path / "checkpoints", 4, model, optimizer, state, keep=2)
    with pytest.raises(NumericsError, match=r"step-00000004: the weight decoder\.norm\.bias is not finite"):
        run.go()


def test_a_run_goes_on_from_an_older_checkpoint(whole, data, tmp_path, capsys):
    run = Run(data, tmp_path, keep_checkpoints=3)
    run.go()
    (tmp_path / "metrics.jsonl").open("ab").write(b"\xff\xfe half a li")
    run.go(from_step=4)
    assert run.state() == whole.state() and run.metrics() == whole.metrics()
    assert "resuming from step 4 of 12" in capsys.readouterr().out
    assert (tmp_path / "checkpoints" / "left-step-00000012").is_dir()


def test_nine_in_a_row_do_not(data, tmp_path):
    run = Run(data, tmp_path, eval_every_steps=100)
    calls = set(range(18)) | set(range(20, 38))
    last = run.go(steps=20, model=poison(tiny.model("gpt2"), calls))
    assert last.skipped == 18 and last.finite


# Signals, precision, compilation


@pytest.mark.parametrize("number", [getattr(signal, name) for name in SIGNALS])
def test_a_process_that_is_asked_to_stop_saves_and_says_so(data, tmp_path, number):
    run = Run(data, tmp_path)
    if (child := os.fork()) == 0:
        code = 1
        try:
            run.go(steps=100_000)
        except TriviumError as error:
            code = error.exit_code
        finally:
            os._exit(code)
    deadline = time.monotonic() + 30
    metrics = tmp_path / "metrics.jsonl"
    while time.monotonic() < deadline and not (metrics.is_file() and '"norm"' in metrics.read_text()):
        time.sleep(0.01)
    os.kill(child, number)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 75
    (step,) = {line["step"] for line in run.metrics()[-1:]}
    newest = find(tmp_path / "checkpoints")
    assert newest.name == f"step-{step:08d}"


def test_precision_is_asked_for_or_timed(monkeypatch):
    cpu = torch.device("cpu")
    assert autocast_dtype(tiny.recipe(precision="bf16"), cpu) == torch.bfloat16
    assert autocast_dtype(tiny.recipe(precision="fp32"), cpu) == torch.float32
    for gain, dtype in ((0.5, torch.float32), (1.1, torch.float32), (3.0, torch.bfloat16)):
        monkeypatch.setattr(loop, "bf16_gain", lambda kind, gain=gain: gain)
        assert autocast_dtype(tiny.recipe(precision="auto"), cpu) == dtype


@pytest.mark.parametrize("first", [0.5, 3.0])
def test_a_resumed_run_computes_in_the_type_it_began_in(data, tmp_path, monkeypatch, first):
    """Whatever another timing says: `auto` must not break what is bit-identical."""
    seen = []
    plain = loop.train_step
    monkeypatch.setattr(loop, "train_step", lambda *a: (seen.append(a[7]), plain(*a))[1])
    run = Run(data, tmp_path, precision="auto")
    monkeypatch.setattr(loop, "bf16_gain", lambda kind: first)
    run.stopped(2)
    monkeypatch.setattr(loop, "bf16_gain", lambda kind: 3.5 - first)
    run.go()
    assert set(seen) == {torch.bfloat16 if first > 1.2 else torch.float32} and len(seen) == STEPS


def test_under_bf16_weights_and_loss_stay_float32(data, tmp_path):
    run = Run(data, tmp_path, precision="bf16")
    run.go(steps=4)
    assert {p.dtype for p in run.model.parameters()} == {torch.float32}
    exact = Run(data, tmp_path / "exact")
    exact.go(steps=4)
    assert run.losses() == pytest.approx(exact.losses(), rel=2e-2) and run.losses() != exact.losses()


def test_other_modules_with_a_head_are_trained_too(data, tmp_path):
    """The loop asks for a forward pass and a head; it knows no class of model."""

    class Bigram(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(64, 8)
            self.head = tiny.model(tree={"hidden_size": 8, "tie": False}, head_size=4).head

        def forward(self, batch):
            return self.table(batch.stream.ids)

    last = train(Bigram(), tiny.loader(tiny.document_rows(data)), tiny.recipe(), 3, tmp_path, World())
    assert last.step == 3 and last.finite


def test_evaluation_leaves_no_trace_in_the_training(whole, data, tmp_path):
    run = Run(data, tmp_path, eval_every_steps=100)
    run.go()
    assert run.state() == whole.state()


def test_the_time_of_a_run_goes_on_where_it_was_stopped(data, tmp_path):
    run = Run(data, tmp_path)
    run.stopped(4)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    times = [line["all_seconds"] for line in lines if "loss" in line]
    assert times == sorted(times) and sum(line["seconds"] for line in lines if "loss" in line) <= times[-1] + 1e-3
    assert run.go().all_seconds > times[-1]


def test_without_a_score_there_are_no_lines_of_one(data, tmp_path):
    train(tiny.model(), tiny.loader(tiny.document_rows(data)), tiny.recipe(eval_every_steps=1), 2, tmp_path)
    assert "valid_loss" not in (tmp_path / "metrics.jsonl").read_text()
