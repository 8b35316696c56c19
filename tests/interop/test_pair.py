"""Models of pictures against their stock classes, both ways: logits, hidden states, the loss on labels, greedy ids."""

import json

import pytest
import torch

import trivium
from patches import drawn, pixels
from seen import CASES, TEXT, stock_model
from tolerance import close
from trivium.base.batch import collate
from trivium.base.types import Example
from trivium.infer.generate import generate
from trivium.infer.request import Request
from trivium.model.device import evaluating, place


@pytest.fixture(scope="module", params=CASES)
def stock(request):
    return request.param, stock_model(*CASES[request.param])


def pictures(config):
    """Two pictures of the size that the stock class takes, and their pixels."""
    found = [drawn(config.pictures, *config.pictures.size, seed=seed) for seed in (1, 2)]
    return found, torch.stack([pixels(config.pictures, one) for one in found])


def texts(config, size):
    """The ids of the texts, behind the places of a picture where it stands in them."""
    token = config.placeholder
    return TEXT if token is None else torch.cat([torch.full((2, size), token), TEXT], dim=1)


def states(model, labels=None):
    """Our batch, and what the decoder (else the encoder) makes of it."""
    config = model.config
    found, _ = pictures(config)
    ids = texts(config, len(found[0]))
    prefix = 0 if config.placeholder is None else len(found[0]) + 4
    dec = [None] * 2 if config.decoder is None else ids.numpy()
    examples = [
        Example(enc=one.values, places=one.places, dec=row, prefix=prefix) for one, row in zip(found, dec, strict=True)
    ]
    batch = place(collate([[example] for example in examples], pad=0))
    with evaluating(model.transformer):
        return batch, model.transformer(batch)


@torch.no_grad()
def compare(ours, reference):
    config = ours.config
    found, pixel_values = pictures(config)
    _, hidden = states(ours)
    if config.decoder is None:
        assert close(hidden, reference(pixel_values=pixel_values).last_hidden_state)
        assert close(hidden, ours.hidden(pixel_values=pixel_values))
        return
    ids = texts(config, len(found[0]))
    given = {"pixel_values": pixel_values, "decoder_input_ids": ids}
    if config.placeholder is not None:
        types = (torch.arange(ids.shape[1]) >= len(found[0]) + 4).long().expand_as(ids)
        given = {"pixel_values": pixel_values, "input_ids": ids, "token_type_ids": types}
    said = reference(**given)
    assert said.logits.std() > 0.1
    assert close(ours.transformer.logits(hidden), said.logits)
    assert close(ours.logits(**given), said.logits)


@torch.no_grad()
def compare_greedy(ours, reference, count=9):
    """With a cache, of two pictures at once."""
    config = ours.config
    found, pixel_values = pictures(config)
    options = {"do_sample": False, "max_new_tokens": count, "min_new_tokens": count, "eos_token_id": None}
    if config.placeholder is None:
        prompts = [[ours.start]] * 2
        said = reference.generate(pixel_values=pixel_values, **options)
    else:
        prompts = texts(config, len(found[0])).tolist()
        given = {"pixel_values": pixel_values, "input_ids": torch.tensor(prompts)}
        given["token_type_ids"] = torch.zeros_like(given["input_ids"])
        given["attention_mask"] = torch.ones_like(given["input_ids"])
        said = reference.generate(**given, suppress_tokens=[config.placeholder], **options)
    mine = generate(ours.transformer, Request(prompts, sources=found, max_new_tokens=count))
    assert [one.ids for one in mine] == said[:, -count:].tolist()


def test_a_stock_folder_is_read_with_the_same_numbers(stock, tmp_path):
    name, reference = stock
    reference.save_pretrained(tmp_path)
    ours = trivium.load(tmp_path)
    assert ours.config.preset == CASES[name][0]
    compare(ours, reference)
    if ours.config.decoder is not None:
        compare_greedy(ours, reference)


def test_our_folder_is_read_by_the_stock_class_whole(stock, tmp_path):
    _, reference = stock
    reference.save_pretrained(tmp_path / "theirs")
    ours = trivium.load(tmp_path / "theirs")
    with torch.no_grad():
        for parameter in ours.transformer.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(9)))
    ours.save(tmp_path / "ours")
    again, told = type(reference).from_pretrained(
        tmp_path / "ours", output_loading_info=True, attn_implementation="eager"
    )
    assert not told["unexpected_keys"] and not told["mismatched_keys"]
    for module in again.modules():  # the stock class forgets its sinusoids when it loads a folder
        if type(module).__name__ == "TrOCRSinusoidalPositionalEmbedding":
            module.weights = module.get_embedding(*module.weights.shape, module.padding_idx)
    assert all("pooler" in key for key in told["missing_keys"]), told["missing_keys"]
    compare(ours, again.eval())
    mine = trivium.load(tmp_path / "ours")
    assert torch.equal(states(mine)[1], states(ours)[1]) and mine.start == ours.start
    assert json.loads((tmp_path / "ours" / "trivium.json").read_text())["stock"] == type(reference).__name__
