"""The arithmetic of one step."""

import pytest
import torch

import tiny
from trivium.base.errors import NumericsError
from trivium.data.loader import in_order
from trivium.model.device import place
from trivium.train.loop import train
from trivium.train.loss.token import TokenLoss
from trivium.train.step import train_step


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny.write_corpus(tmp_path_factory.mktemp("step"), tiny.documents([11, 30, 5, 17, 9, 8, 22, 13]))


def test_dropout_differs_from_step_to_step_and_by_seed(data, tmp_path):
    rows = tiny.document_rows(data)
    model = tiny.model("gpt2", dropout=0.5)
    batches = tiny.loader(rows).step(0)

    def loss(step, seed):
        recorder = tiny.Recorder(model)
        return train_step(model, model, recorder, batches, 0.1, tiny.recipe(seed=seed), step, torch.float32).loss

    assert loss(3, 0) == loss(3, 0)
    assert len({loss(step, seed) for step in range(2) for seed in range(2)}) == 4


def step_of(rows, model=None, micro_rows=2, step_rows=4, step=0, **changes):
    model = model or tiny.model(layers=1)
    recorder = tiny.Recorder(model)
    batches = tiny.loader(rows, step_rows, micro_rows, samples=changes.pop("samples", None)).step(step)
    recipe = tiny.recipe(**{"clip": 0.0, **changes})
    last = train_step(model, model, recorder, batches, 0.1, recipe, step, torch.float32)
    return (recorder.seen[0] if recorder.seen else None), last, model


def test_the_last_step_takes_what_is_left_and_its_own_count():
    rows = tiny.example_rows([tiny.example(n, 40, seed=n) for n in (3, 40, 20, 7, 11, 30)])
    gradient, last, model = step_of(rows, step=1, samples=6)
    left = [tiny.loader(rows).locate(sample)[1] for sample in (4, 5)]
    assert last.targets == sum((3, 40, 20, 7, 11, 30)[row] for row in left)
    (wanted, alone, _) = step_of(tiny.example_rows([rows.choices[row][0] for row in left]), step_rows=2)
    assert alone.loss == pytest.approx(last.loss, rel=1e-6)
    assert float((gradient - wanted).norm() / wanted.norm()) < 1e-6
    assert all(p.grad is None for p in model.parameters())


def test_a_micro_batch_without_targets_adds_exactly_nothing():
    full = [tiny.example(9, 12, seed=n) for n in range(2)]
    empty = [tiny.example(0, 12, seed=9 + n) for n in range(3)]
    (with_empty, a, _), (without, b, _) = (
        step_of(tiny.example_rows(rows), step_rows=len(rows), micro_rows=1) for rows in ([*full, *empty], full)
    )
    assert a.loss == pytest.approx(b.loss, rel=1e-7) and a.targets == b.targets == 18
    assert float((with_empty - without).norm() / without.norm()) < 1e-6


def test_a_step_without_targets_changes_nothing_and_is_counted(tmp_path):
    model, folder = tiny.model(), tmp_path
    before = [p.detach().clone() for p in model.parameters()]
    rows = tiny.example_rows([tiny.example(0, 12, seed=n) for n in range(4)])
    step = train_step(
        model, model, tiny.Recorder(model), tiny.loader(rows).step(0), 0.1, tiny.recipe(), 0, torch.float32
    )
    assert (step.skipped, step.loss, step.targets, step.finite, step.reason) == (1, 0.0, 0, True, "it has no targets")
    with pytest.raises(NumericsError, match="step 2: every step was skipped: it has no targets"):
        train(model, tiny.loader(rows), tiny.recipe(), 2, folder)
    assert not (folder / "checkpoints").exists()
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))


def test_weights_count_in_the_denominator():
    light = [tiny.example(9, 12, weight=0.25), tiny.example(5, 12, seed=1)]
    _, last, model = step_of(tiny.example_rows(light), step_rows=2, micro_rows=1)
    sums = []
    for one in light:
        (batch,) = in_order(tiny.example_rows([one]), 1, 0)
        placed = place(batch)
        sums.append(float(TokenLoss()(model.head, model(placed), placed)[0].detach()))
    assert last.loss == pytest.approx(sum(sums) / (9 * 0.25 + 5), rel=1e-6)


def test_smoothing_and_the_z_term_share_the_denominator():
    rows = tiny.example_rows([tiny.example(n, 30, seed=n) for n in (1, 30, 12, 25)])
    terms = {"loss": {"label_smoothing": 0.1, "z_loss": 0.05}}
    (wanted, whole, _), (found, split, _) = (step_of(rows, micro_rows=n, **terms) for n in (4, 1))
    assert split.loss == pytest.approx(whole.loss, rel=1e-6)
    assert whole.loss > step_of(rows)[1].loss
    assert float((found - wanted).norm() / wanted.norm()) < 1e-6


@pytest.mark.parametrize(("clip", "largest"), [(0.0, None), (0.05, 0.05), (1e9, None)])
def test_gradients_are_clipped_by_their_norm_over_the_step(clip, largest):
    rows = tiny.example_rows([tiny.example(20, 20, seed=n) for n in range(4)])
    gradient, last, _ = step_of(rows, clip=clip)
    assert last.norm > 0.1
    assert float(gradient.norm()) == pytest.approx(largest or last.norm, rel=1e-4)


def test_a_group_takes_its_share_of_the_learning_rate():
    model = tiny.model(layers=1)
    first, second, *rest = model.parameters()
    groups = [{"params": rest}, {"params": [first], "lr_scale": 0.5}, {"params": [second], "lr_scale": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=9.0)
    before = [p.detach().clone() for p in model.parameters()]
    batches = tiny.loader(tiny.example_rows([tiny.example(9, 12, seed=n) for n in range(4)])).step(0)
    recorder = tiny.Recorder(model)
    train_step(model, model, recorder, batches, 0.1, tiny.recipe(clip=0.0), 0, torch.float32)
    parts = recorder.seen[0].split([p.numel() for p in model.parameters()])
    step = train_step(model, model, optimizer, batches, 0.1, tiny.recipe(clip=0.0), 0, torch.float32)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.05, 0.0] and step.lr == 0.1
    for p, old, gradient, lr in zip(model.parameters(), before, parts, [0.05, 0.0, *[0.1] * len(rest)], strict=True):
        moved = (p.detach() - old).double().flatten()
        assert torch.allclose(moved, -lr * gradient, atol=1e-6) and (lr == 0) == torch.equal(p, old)
