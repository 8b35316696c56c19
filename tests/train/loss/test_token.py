from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import tiny
from trivium.base.batch import collate
from trivium.base.types import IGNORE
from trivium.model.device import place
from trivium.train.loss.token import TokenLoss

N, D, V = 29, 8, 50
PLAIN = TokenLoss()


def head(bias=False, softcap=None, seed=0):
    rng = torch.Generator().manual_seed(seed)
    weight = torch.randn(V, D, generator=rng).requires_grad_()
    shift = torch.randn(V, generator=rng).requires_grad_() if bias else None
    return SimpleNamespace(weight=weight, bias=shift, softcap=softcap, features=lambda hidden: hidden)


def features(rows=N, seed=1):
    return torch.randn(rows, D, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def targets(rows=N):
    return torch.arange(rows) * 7 % V


def reference(made, x, target, weights, config):
    """The loss as its definition reads, with all scores at once."""
    scores = F.linear(x, made.weight, made.bias)
    if made.softcap is not None:
        scores = made.softcap * torch.tanh(scores / made.softcap)
    losses = F.cross_entropy(scores, target, reduction="none", label_smoothing=config.label_smoothing)
    losses = losses + config.z_loss * torch.logsumexp(scores, -1) ** 2
    return (losses if weights is None else losses * weights).sum()


def leaves(made, x):
    return [leaf for leaf in (x, made.weight, made.bias) if leaf is not None]


def close(found, wanted, tolerance=1e-5):
    return float((found - wanted).abs().max()) <= tolerance * max(1.0, float(wanted.abs().max()))


@pytest.mark.parametrize("chunk", [1, 7, 256, N])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"bias": True}, {"softcap": 3.0}, {"bias": True, "softcap": 3.0}],
    ids=["plain", "bias", "softcap", "bias-softcap"],
)
@pytest.mark.parametrize(
    "terms", [{}, {"label_smoothing": 0.1}, {"z_loss": 0.01}, {"label_smoothing": 0.2, "z_loss": 0.1}]
)
def test_in_chunks_it_is_the_loss_of_the_definition(chunk, weighted, options, terms):
    config = TokenLoss(chunk_rows=chunk, **terms)
    weights = torch.linspace(0, 2, N) if weighted else None
    found, wanted = [], []
    for into, loss in ((found, lambda *a: config.cross_entropy(*a)[0]), (wanted, lambda *a: reference(*a, config))):
        made, x = head(**options), features()
        value = loss(made, x, targets(), weights)
        (value * 0.37).backward()
        into += [value.detach(), *(leaf.grad for leaf in leaves(made, x))]
    assert all(close(a, b) for a, b in zip(found, wanted, strict=True))


def test_each_loss_is_given_beside_the_sum():
    made, x = head(), features()
    total, losses = TokenLoss(chunk_rows=7).cross_entropy(made, x, targets(), torch.full((N,), 0.5))
    assert torch.allclose(losses, F.cross_entropy(F.linear(x, made.weight), targets(), reduction="none"), atol=1e-5)
    assert float(total.detach()) == pytest.approx(0.5 * float(losses.sum()), rel=1e-6)
    assert not losses.requires_grad


@pytest.mark.parametrize("preset", ["llama", "gpt2"])
@pytest.mark.parametrize("softcap", [None, 5.0])
@pytest.mark.parametrize("bias", [False, True])
def test_through_a_model_tied_or_not_all_gradients_are_those_of_the_definition(preset, softcap, bias):
    """One row has no target at all, and with chunks of 7 neither has a chunk."""
    examples = [tiny.example(0, 20), tiny.example(13, 20), tiny.example(20, 20)]
    batch = place(collate([[e] for e in examples], pad=0))
    found = []
    for chunk in (0, 1, 7, 256):
        model = tiny.model(preset, tree={"head": {"kind": "lm", "softcap": softcap, "bias": bias}})
        if chunk:
            loss = TokenLoss(chunk_rows=chunk)(model.head, model(batch), batch)[0]
        else:
            logits = model.logits(model(batch))
            loss = F.cross_entropy(logits.flatten(0, 1), batch.targets["token"].flatten(), reduction="sum")
        loss.backward()
        found.append((loss.detach().double(), tiny.gradients(model)))
    assert len(found[0][1]) > 1000
    assert all(close(part, full, 1e-6) for run in found[1:] for part, full in zip(run, found[0], strict=True))


def test_the_shift_happens_exactly_once():
    """The next token's cross-entropy, by hand from the logits of unshifted ids."""
    example = tiny.example(17, 17)
    batch = place(collate([[example]], pad=0))
    model = tiny.model().eval()
    with torch.no_grad():
        total, losses, _ = TokenLoss()(model.head, model(batch), batch)
        logits = model.logits(model(batch))[0].log_softmax(-1)
    following = [*example.dec[1:].tolist(), int(example.targets["token"][-1])]
    by_hand = [-float(logits[t, token]) for t, token in enumerate(following)]
    assert losses.tolist() == pytest.approx(by_hand, abs=1e-5) and float(total) == pytest.approx(sum(by_hand), rel=1e-6)


def test_only_valid_positions_reach_the_head():
    batch = place(collate([[tiny.example(3, 9)], [tiny.example(0, 9)]], pad=0))
    model, seen = tiny.model(), []
    features_of = model.head.features
    model.head.features = lambda hidden: (seen.append(len(hidden)), features_of(hidden))[1]
    _, losses, picked = TokenLoss()(model.head, model(batch), batch)
    assert seen == [3] and len(losses) == 3
    assert picked.tolist() == [t for t in batch.targets["token"].flatten().tolist() if t != IGNORE]


@pytest.mark.parametrize("options", [{}, {"preset": "gpt2", "tree": {"head": {"kind": "lm", "bias": True}}}])
def test_without_targets_the_loss_is_exactly_zero_and_so_is_every_gradient(options):
    batch = place(collate([[tiny.example(0, 9)]], pad=0))
    model = tiny.model(**options)
    loss, losses, _ = TokenLoss()(model.head, model(batch), batch)
    loss.backward()
    assert float(loss.detach()) == 0.0 and len(losses) == 0
    assert not tiny.gradients(model).any()  # and none of them is None


def test_padding_alone_is_a_batch_without_targets():
    model = tiny.model()
    loss, _, _ = TokenLoss()(model.head, model(place(collate([[]], 0, 8))), place(collate([[]], 0, 8)))
    loss.backward()
    assert float(loss.detach()) == 0.0 and not tiny.gradients(model).any()


class Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that any operation gives."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return out


@pytest.mark.parametrize(("rows", "chunk"), [(600, 16), (600, 64), (64, 1024)])
def test_scores_of_all_rows_never_exist_at_once(rows, chunk):
    made, x = head(), features(rows)
    with Largest() as seen:
        TokenLoss(chunk_rows=chunk).cross_entropy(made, x, targets(rows))[0].backward()
    assert seen.elements <= max(min(chunk, rows) * V, rows * D, V * D)


def test_the_measure_of_memory_sees_scores_that_do():
    with Largest() as seen:
        reference(head(), features(600), targets(600), None, PLAIN).backward()
    assert seen.elements == 600 * V


def test_under_bf16_the_loss_is_float32():
    made, x = head(), features()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, losses = PLAIN.cross_entropy(made, x, targets())
    total.backward()
    assert total.dtype == losses.dtype == torch.float32
    assert made.weight.grad.dtype == x.grad.dtype == torch.float32
    scores = F.linear(x.bfloat16(), made.weight.bfloat16())  # what is a product is bf16, what comes after is not
    exact = F.cross_entropy(scores.float(), targets(), reduction="none")
    assert torch.allclose(losses, exact, atol=1e-5)
    assert not torch.allclose(losses, F.cross_entropy(scores, targets(), reduction="none").float(), atol=1e-5)


def test_hidden_states_in_bf16_give_a_float32_loss_and_bf16_gradients():
    made = head()
    x = features().detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, _ = PLAIN.cross_entropy(made, x, targets())
    total.backward()
    assert total.dtype == torch.float32 and x.grad.dtype == torch.bfloat16


def test_without_gradients_none_are_made():
    made, x = head(), features()
    with torch.no_grad(), Largest() as seen:
        total, _ = TokenLoss(chunk_rows=2).cross_entropy(made, x, targets())
    assert not total.requires_grad and seen.elements <= V * D


def test_a_frozen_matrix_gets_no_gradient():
    made, x = head(), features()
    made.weight.requires_grad_(False)
    PLAIN.cross_entropy(made, x, targets())[0].backward()
    assert made.weight.grad is None and x.grad is not None


def test_evaluation_leaves_out_what_only_helps_training():
    assert TokenLoss(label_smoothing=0.1, z_loss=0.1, chunk_rows=4).plain() == TokenLoss(chunk_rows=4)
