"""Blocks that are computed again: the same losses and gradients to the bit, and less that is kept."""

import pytest
import torch

import tiny
from trivium.base.errors import ConfigError
from trivium.data.loader import in_order
from trivium.model.device import place
from trivium.model.size import training_bytes
from trivium.train.loop import train
from trivium.train.loss.token import TokenLoss
from trivium.train.recompute import recompute

ROWS = tiny.example_rows([tiny.example(15, 16, seed=n) for n in range(4)])
MODELS = {"llama": {}, "gpt2": {"dropout": 0.2, "attention_dropout": 0.2}}


def model_of(preset, layers=4):
    return tiny.model(preset, layers=layers, **MODELS[preset])


def passed(model, precision=torch.float32):
    """The loss, the gradients, and the bytes that were kept between the passes, each storage once."""
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    batch = place(next(in_order(ROWS, 4, 0)))
    torch.manual_seed(7)
    keeping = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with keeping, torch.autocast("cpu", precision, enabled=precision != torch.float32):
        loss = TokenLoss()(model.head, model(batch), batch).total
    loss.backward()
    return loss.detach(), tiny.gradients(model), sum(size for at, size in kept.items() if at not in weights)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("preset", MODELS)
def test_losses_and_gradients_are_the_same_to_the_bit_and_less_is_kept(preset, precision):
    sizes = []
    for share in (0.0, 0.5, 1.0):
        model = model_of(preset).train()
        assert recompute(model, share) == round(4 * share)
        loss, gradients, kept = passed(model, precision)
        if not sizes:
            wanted = loss, gradients
        assert torch.equal(loss, wanted[0]) and torch.equal(gradients, wanted[1])
        sizes.append(kept)
    assert sizes[0] > 1.4 * sizes[1] > 1.4 * 1.4 * sizes[2]


def test_blocks_are_spread_evenly():
    for share, wanted in ((0.25, [3]), (0.5, [1, 3]), (0.75, [1, 2, 3]), (0.1, [])):
        model = model_of("llama")
        recompute(model, share)
        assert [at for at, block in enumerate(model.decoder.blocks) if "forward" in vars(block)] == wanted


def test_both_stacks_of_a_model_of_two_take_part():
    model = tiny.model("t5", tree={"encoder": {"layers": 2}})
    assert recompute(model, 0.5) == 2


def test_a_run_is_the_same_to_the_bit(tmp_path):
    data = tiny.write_corpus(tmp_path / "data", tiny.documents([11, 30, 5, 17, 9, 8]))
    weights = []
    for share in (0.0, 1.0):
        model = model_of("gpt2")
        recompute(model, share)
        folder = tmp_path / str(share)
        folder.mkdir()
        train(model, tiny.loader(tiny.document_rows(data)), tiny.recipe(), 3, folder)
        weights.append((folder / "checkpoints" / "step-00000003" / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_the_estimate_of_memory_knows_it():
    """Not where it saves nothing: of two blocks, one that is computed again is whole while the other is kept."""
    config = tiny.recipe(model={"decoder": {"layers": 8}}).model
    need = [training_bytes(config, 64, 16, recompute=share) for share in (0.0, 0.5, 1.0)]
    assert need == sorted(need, reverse=True)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_between_none_and_all(share):
    with pytest.raises(ConfigError, match="recompute: expected a number, at least 0 and at most 1"):
        tiny.recipe(recompute=share)
