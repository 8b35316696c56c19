"""A larger vocabulary: old tokens keep their scores, new ones begin as the mean."""

import pytest
import torch

import small
from tolerance import close
from trivium.model.resize import resize

IDS = [[1, 9, 41, 7]]


@pytest.mark.parametrize("preset", sorted(small.SIZES))
def test_old_tokens_keep_their_scores(preset):
    model = small.model(preset)
    given = {"decoder_input_ids": IDS} if model.config.family == "encoder_decoder" else {}
    with torch.no_grad():
        for parameter in model.transformer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    before = model.logits(IDS, **given)
    model.transformer = resize(model.transformer, 400)
    after = model.logits(IDS, **given)
    assert model.config.vocab_size == 400 and after.shape[-1] == 400
    assert close(after[..., :384], before)
    assert close(after[..., 384:], before.mean(-1, keepdim=True).expand(-1, -1, 16))
    model.logits([[399, 384]], **given)


def test_rows_that_only_padded_a_table_become_the_mean_too():
    model = small.model("llama").transformer
    made = resize(model, 384, known=380)
    assert close(made.tokens.weight[380:], model.tokens.weight[:380].mean(0).expand(4, -1))
    assert torch.equal(made.tokens.weight[:380], model.tokens.weight[:380])
