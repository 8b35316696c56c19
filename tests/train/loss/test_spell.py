import numpy as np
import torch
from torch.nn import functional as F

from patches import drawn
from trivium.base.batch import collate
from trivium.base.config import parse
from trivium.base.types import IGNORE, Example
from trivium.model.config import ModelConfig
from trivium.model.device import place
from trivium.model.transformer import Transformer
from trivium.train.loss.spell import SpellLoss
from trivium.train.loss.token import TokenLoss

V = 12


def model(**changes):
    embed = {"kind": "patches", "patch": 4, "patch_width": 2, "channels": 1, "size": [1, 16], "class_token": False}
    stack = {"layers": 1, "heads": 2, "position": "sinusoid"}
    tree = {
        "vocab_size": V,
        "hidden_size": 16,
        "context": 32,
        "encoder": {**stack, "embed": embed, **changes},
        "decoder": {**stack, "pattern": "causal"},
        "init": {"kind": "normal", "std": 0.3},
    }
    torch.manual_seed(0)
    return Transformer(parse(ModelConfig, tree))


def example(embed, columns, text, asked=0, seed=0):
    picture = drawn(embed, 1, columns, seed)
    ids = np.array([0, *text])
    targets = np.array([IGNORE] * asked + [*text][asked:])
    return Example(picture.values, ids[:-1], {"token": targets}, places=picture.places)


def rows(embed):
    one, two = example(embed, 9, [4, 5, 5, 2]), example(embed, 7, [7, 8, 9, 2], asked=2, seed=1)
    return [[one, two], [example(embed, 12, [11, 3, 2], seed=2)]]


def test_it_adds_ctc_of_each_document_alone():
    """The reference takes one example at a time, through torch's CTC; a question is not spelled."""
    made, loss = model(), SpellLoss(ctc=0.7)
    examples = rows(made.config.encoder.embed)
    batch = place(collate(examples, 0, multiple=8))
    found = loss.over(made, made.head, batch)
    expected = TokenLoss()(made.head, made(batch), batch).total
    for one in (one for row in examples for one in row):
        alone = place(collate([[one]], 0))
        scores = made.head(made.encode(alone.enc).states[0]).log_softmax(-1)
        text = torch.tensor([token for token in one.targets["token"] if token != IGNORE])
        expected = expected + 0.7 * F.ctc_loss(
            scores[:, None], text[None], [len(scores)], [len(text)], blank=0, reduction="sum"
        )
    assert torch.allclose(found.total, expected, rtol=1e-5)
    assert torch.equal(found.targets, TokenLoss()(made.head, made(batch), batch).targets)


def test_evaluation_reports_the_token_loss_alone():
    made = model()
    batch = place(collate(rows(made.config.encoder.embed), 0))
    found = SpellLoss(ctc=0.7, label_smoothing=0.1).plain().over(made, made.head, batch)
    assert torch.equal(found.total, TokenLoss()(made.head, made(batch), batch).total)


def test_the_encoder_learns_where_the_decoder_is_blind():
    """With a decoder whose cross-attention writes nothing, only CTC gives the encoder a gradient."""
    made = model()
    for block in made.decoder.blocks:
        torch.nn.init.zeros_(block.cross.o.weight)
    batch = place(collate(rows(made.config.encoder.embed), 0))
    gradients = []
    for loss in (TokenLoss(), SpellLoss()):
        made.zero_grad()
        loss.over(made, made.head, batch).total.backward()
        gradients.append(float(made.encoder.blocks[0].attention.q.weight.grad.abs().sum()))
    assert gradients[0] == 0 and gradients[1] > 1e-3


def test_a_text_that_the_states_cannot_spell_costs_nothing():
    made = model()
    embed = made.config.encoder.embed
    batch = place(collate([[example(embed, 3, [4, 5, 6, 7, 2])]], 0))
    plain = TokenLoss().over(made, made.head, batch).total
    assert torch.equal(SpellLoss().over(made, made.head, batch).total, plain)
