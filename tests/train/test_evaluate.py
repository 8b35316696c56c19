import math

import pytest
import torch

import tiny
from trivium.data.loader import in_order
from trivium.model.device import place
from trivium.train.evaluate import Evaluation, evaluate
from trivium.train.parallel.world import World

LENGTHS = [11, 30, 5, 17, 40, 8, 22]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tiny.write_corpus(tmp_path_factory.mktemp("evaluate"), tiny.documents([3]), tiny.documents(LENGTHS))
    return tiny.document_rows(folder, split="valid")


@pytest.fixture(scope="module")
def model():
    return tiny.model(layers=1)


@pytest.fixture(scope="module")
def by_hand(rows, model):
    """(loss, target) of every token, one row at a time, from the logits."""
    found = []
    for batch in in_order(rows, 1, 0):
        placed = place(batch)
        with torch.no_grad():
            scores = model.logits(model(placed)).double().log_softmax(-1)[0]
        for t, target in enumerate(batch.targets["token"][0].tolist()):
            if target >= 0:
                found.append((-float(scores[t, target]), target))
    return found


def score(rows, model, micro_rows=3, **options):
    return evaluate(model, in_order(rows, micro_rows, 0), World(), **options)


def test_it_is_the_mean_over_all_targets(rows, model, by_hand):
    found = score(rows, model)
    assert found.targets == len(by_hand) == sum(LENGTHS) + len(LENGTHS)
    assert found.loss == pytest.approx(sum(loss for loss, _ in by_hand) / len(by_hand), rel=1e-6)


@pytest.mark.parametrize("micro_rows", [1, 3, 16])
def test_the_batch_size_and_a_ragged_end_change_nothing(rows, model, micro_rows):
    assert rows.size(0) % 3 and rows.size(0) < 16
    assert score(rows, model, micro_rows).loss == pytest.approx(score(rows, model, 2).loss, rel=1e-6)


def test_perplexity_is_the_exponential_of_the_mean(rows, model, by_hand):
    mean = sum(loss for loss, _ in by_hand) / len(by_hand)
    assert score(rows, model).perplexity == pytest.approx(math.exp(mean), rel=1e-6)
    assert Evaluation(10_000.0, 1).perplexity < math.inf


def test_bits_per_byte_count_content_alone(rows, model, by_hand):
    special = tiny.VOCABULARY.special
    content = sum(loss for loss, target in by_hand if target not in special)
    assert content < sum(loss for loss, _ in by_hand)
    found = score(rows, model, text_bytes=500, special=special)
    assert found.bits_per_byte == pytest.approx(content / math.log(2) / 500, rel=1e-6)
    assert score(rows, model).bits_per_byte is None


def test_weights_of_targets_do_not_weigh_here(model):
    light = tiny.example_rows([tiny.example(9, 9, weight=0.1), tiny.example(5, 9, seed=1)])
    plain = tiny.example_rows([tiny.example(9, 9), tiny.example(5, 9, seed=1)])
    assert score(light, model) == score(plain, model)


def test_dropout_is_off_and_the_model_is_left_as_it_was(rows):
    model = tiny.model(layers=1, dropout=0.5).train()
    assert score(rows, model) == score(rows, model)
    assert model.training
    assert score(rows, model.eval()) and not model.training
    assert all(p.grad is None for p in model.parameters())


def test_without_any_target_there_is_no_mean(model):
    assert math.isnan(score(tiny.example_rows([tiny.example(0, 9)]), model).loss)


def test_bf16_gives_nearly_the_same(rows, model):
    found = score(rows, model, precision=torch.bfloat16)
    assert found.loss == pytest.approx(score(rows, model).loss, rel=1e-2)


def test_a_record_is_plain():
    assert Evaluation(1.0, 5, 2.0).record() == {"loss": 1.0, "targets": 5, "bits_per_byte": 2.0, "perplexity": math.e}
