import json
import signal
import time

import pytest
import torch

import tiny
from ranks import together
from trivium.data.loader import in_order
from trivium.model.device import place
from trivium.train.evaluate import evaluate
from trivium.train.loop import train
from trivium.train.loss.token import TokenLoss
from trivium.train.parallel.world import World, world
from trivium.train.step import train_step

LENGTH = 200
LABELS = [1, 200, 30, 170, 2, 99, 64, 150]


def labelled(*labels, length=LENGTH):
    return tiny.example_rows([tiny.example(n, length, seed=i) for i, n in enumerate(labels)])


def one_step(ranks, rows, micro_rows=8, **options):
    """Gradients, loss and targets of one global step over all rows."""
    model = tiny.model(layers=1)
    recorder = tiny.Recorder(model)
    forward = ranks.wrap(model)
    size = rows.size(0)
    loader = tiny.loader(rows, size, micro_rows, rank=ranks.rank, world=ranks.size, **options)
    last = train_step(forward, model, recorder, loader.step(0), 0.1, tiny.recipe(clip=0.0), 0, torch.float32, ranks)
    return recorder.seen[0] if recorder.seen else None, last


def same(found, wanted, tolerance=1e-6):
    return float((found - wanted).norm() / wanted.norm()) <= tolerance


def in_ranks(size, folder, rows, **options):
    def act(ranks):
        gradient, last = one_step(ranks, rows, **options)
        return [None if gradient is None else gradient.tolist(), last.loss, last.targets, last.skipped]

    return together(size, act, folder)


@pytest.mark.parametrize("micro_rows", [1, 2, 3, 4])
def test_micro_batches_change_neither_gradient_nor_loss(micro_rows):
    rows = labelled(*LABELS)
    (wanted, last), (found, other) = one_step(World(), rows), one_step(World(), rows, micro_rows)
    assert same(found, wanted)
    assert other.loss == pytest.approx(last.loss, rel=1e-6) and other.targets == sum(LABELS)


def test_the_step_is_the_mean_over_all_targets_and_no_mean_of_means():
    rows, model = labelled(*LABELS), tiny.model(layers=1)

    def losses():
        """The sums of a pass: the gradients of a loss are made once, so each gradient has a pass of its own."""
        total, means, count = 0.0, 0.0, 0
        for batch in in_order(rows, 2, 0):
            loss = TokenLoss()(model.head, model(place(batch)), place(batch))[0]
            total, means, count = total + loss, means + loss / batch.count() / 4, count + batch.count()
        return total, means, count

    def gradient(value):
        return torch.cat([g.flatten().double() for g in torch.autograd.grad(value, list(model.parameters()))])

    total, _, count = losses()
    wanted, wrong = gradient(total / count), gradient(losses()[1])
    found, last = one_step(World(), rows, micro_rows=2)
    assert same(found, wanted) and last.loss == pytest.approx(float(total.detach()) / count, rel=1e-6)
    assert not same(found, wrong, 1e-2)


@pytest.mark.parametrize(("size", "micro_rows"), [(2, 1), (2, 4), (4, 1)])
def test_ranks_change_neither_gradient_nor_loss(tmp_path, size, micro_rows):
    rows = labelled(*LABELS)
    wanted, last = one_step(World(), rows)
    for gradient, loss, targets, _ in in_ranks(size, tmp_path, rows, micro_rows=micro_rows):
        assert same(torch.tensor(gradient).double(), wanted)
        assert loss == pytest.approx(last.loss, rel=1e-6) and targets == sum(LABELS)


def test_ten_targets_here_and_a_thousand_there_are_one_mean(tmp_path):
    rows = labelled(10, 1000, length=1000)
    wanted, last = one_step(World(), rows)
    for gradient, loss, targets, _ in in_ranks(2, tmp_path, rows):
        assert same(torch.tensor(gradient).double(), wanted)
        assert loss == pytest.approx(last.loss, rel=1e-6) and targets == 1010


@pytest.mark.parametrize("labels", [(0, 40), (0, 40, 0, 7, 0, 1)])
def test_a_rank_without_targets_adds_nothing(tmp_path, labels):
    rows = labelled(*labels, length=50)
    order = [tiny.loader(rows).locate(sample)[1] for sample in range(len(labels))]
    assert any(not any(labels[row] for row in order[rank::2]) for rank in range(2)) or len(labels) > 2
    wanted, last = one_step(World(), rows)
    for gradient, loss, _, _ in in_ranks(2, tmp_path, rows, micro_rows=1):
        assert same(torch.tensor(gradient).double(), wanted) and loss == pytest.approx(last.loss, rel=1e-6)


def test_a_rank_without_rows_adds_nothing(tmp_path):
    rows = labelled(40, 30, 20, length=50)
    wanted, last = one_step(World(), rows)
    for gradient, loss, _, _ in in_ranks(4, tmp_path, rows, samples=3):
        assert same(torch.tensor(gradient).double(), wanted) and loss == pytest.approx(last.loss, rel=1e-6)


def test_a_step_without_any_target_is_skipped_by_all(tmp_path):
    for gradient, loss, targets, skipped in in_ranks(2, tmp_path, labelled(0, 0, length=20)):
        assert (gradient, loss, targets, skipped) == (None, 0.0, 0, 1)


def test_what_is_not_finite_on_one_rank_is_skipped_by_all(tmp_path):
    def act(ranks):
        model = tiny.model(layers=1)
        if ranks.rank == 1:
            model.register_forward_hook(lambda module, inputs, out: out * float("nan"))
        recorder = tiny.Recorder(model)
        step = tiny.loader(labelled(9, 9, 9, 9, length=10), rank=ranks.rank, world=2).step(0)
        last = train_step(ranks.wrap(model), model, recorder, step, 0.1, tiny.recipe(), 0, torch.float32, ranks)
        return [len(recorder.seen), last.finite, last.skipped]

    assert together(2, act, tmp_path) == [[0, False, 1]] * 2


def test_a_state_that_is_not_finite_on_one_rank_ends_all_before_the_save(tmp_path, data):
    (tmp_path / "run").mkdir()

    def act(ranks):
        model = tiny.model()
        if ranks.rank == 1:  # the pass that judges the state is one of evaluation
            model.decoder.norm.register_forward_hook(lambda module, _, out: out if module.training else out / 0)
        loader = tiny.loader(tiny.document_rows(data), rank=ranks.rank, world=2)
        return train(model, loader, tiny.recipe(save_every_steps=2), 4, tmp_path / "run", ranks)

    first, second = together(2, act, tmp_path / "ranks")
    assert first.startswith("step 2: a number of another process is not finite; lower optim.lr")
    assert second.startswith("step 2: the output of decoder.norm is not finite; lower optim.lr")
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    lengths = [11, 30, 5, 17, 40, 8, 22, 13, 9, 26, 31, 6]
    folder = tmp_path_factory.mktemp("parallel")
    return tiny.write_corpus(folder, tiny.documents(lengths), tiny.documents(lengths[:7], seed=9))


@pytest.mark.parametrize("size", [2, 3])
def test_evaluation_is_the_same_on_more_ranks(tmp_path, data, size):
    rows = tiny.document_rows(data, split="valid")
    special = tiny.VOCABULARY.special

    def act(ranks):
        batches = in_order(rows, 2, 0, ranks.rank, ranks.size)
        return evaluate(tiny.model(), batches, ranks, 1000, special).record()

    wanted = evaluate(tiny.model(), in_order(rows, 2, 0), World(), 1000, special).record()
    assert together(size, act, tmp_path) == [wanted] * size, "to the last bit"


def fit(ranks, data, folder, steps):
    """Train on, and give the losses of all steps so far."""
    folder.mkdir(exist_ok=True)
    loader = tiny.loader(tiny.document_rows(data), rank=ranks.rank, world=ranks.size)
    train(tiny.model(), loader, tiny.recipe(save_every_steps=2, schedule="constant"), steps, folder, ranks)
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_goes_on_with_another_number_of_ranks(tmp_path, data):
    """1, then 2, then 4, then 1 again: the losses of a run that was never interrupted."""
    wanted = fit(World(), data, tmp_path / "whole", 8)
    run = tmp_path / "run"
    fit(World(), data, run, 2)
    together(2, lambda ranks: fit(ranks, data, run, 4), tmp_path / "two")
    together(4, lambda ranks: fit(ranks, data, run, 6), tmp_path / "four")
    assert fit(World(), data, run, 8) == pytest.approx(wanted, rel=1e-5)


def test_a_damaged_checkpoint_is_set_aside_once_for_all_ranks(tmp_path, data):
    wanted = fit(World(), data, tmp_path / "run", 4)
    (tmp_path / "run" / "checkpoints" / "step-00000004" / "state.json").write_text("{}")
    for losses in together(2, lambda ranks: fit(ranks, data, tmp_path / "run", 4), tmp_path / "two"):
        assert losses == pytest.approx(wanted, rel=1e-5)


def test_where_no_checkpoint_is_valid_all_ranks_say_so(tmp_path, data):
    fit(World(), data, tmp_path / "run", 4)
    for state in (tmp_path / "run" / "checkpoints").glob("*/state.json"):
        state.write_text("{}")
    for told in together(2, lambda ranks: fit(ranks, data, tmp_path / "run", 4), tmp_path / "two"):
        assert "no valid checkpoint is left to resume from" in told


def test_a_signal_to_one_rank_stops_all_after_the_same_step(tmp_path, data):
    (tmp_path / "run").mkdir()

    def act(ranks):
        loader = tiny.loader(tiny.document_rows(data), rank=ranks.rank, world=ranks.size)
        if ranks.rank == 1:
            steps = loader.stream

            def stream(start, stop):
                for step, batches in enumerate(steps(start, stop)):
                    if step == 2:
                        signal.raise_signal(signal.SIGTERM)
                    yield batches

            loader.stream = stream
        return train(tiny.model(), loader, tiny.recipe(), 50, tmp_path / "run", ranks)

    found = together(2, act, tmp_path / "ranks")
    assert all("stopped after step 2 of 50, saved" in text for text in found)
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-00000002"]


def test_alone_a_sum_is_the_number_itself():
    with world(torch.device("cpu")) as ranks:
        assert (ranks.rank, ranks.size, ranks.first) == (0, 1, True)
        assert ranks.sum(1.5, 2) == [1.5, 2]
        ranks.wait()
        model = tiny.model()
        assert ranks.wrap(model) is model


def test_ranks_tell_each_other_numbers_in_order(tmp_path):
    act = lambda ranks: [ranks.every([0.1 + ranks.rank] * ranks.rank), ranks.every([])]
    assert together(3, act, tmp_path) == [[[1.1, 2.1, 2.1], []]] * 3
    assert World().every([0.1, 3.0]) == [0.1, 3.0]


def test_ranks_add_up_in_float64(tmp_path):
    found = together(2, lambda ranks: ranks.sum(2.0**53, 1e-9 * (ranks.rank + 1)), tmp_path)
    assert found == [[2.0**54, pytest.approx(3e-9, rel=1e-12)]] * 2


def test_a_rank_that_hangs_fails_the_test_in_time(tmp_path):
    with pytest.raises(AssertionError, match="ranks that ended"):
        together(2, lambda ranks: ranks.wait() if ranks.rank else time.sleep(60), tmp_path, seconds=1)
