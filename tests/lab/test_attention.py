"""The weights on the page are the model's own: they rebuild its output, and watching leaves no trace."""

import math
from collections import defaultdict
from pathlib import Path

import pytest
import torch

import tiny
from trivium.api import Model
from trivium.base.errors import ModelError
from trivium.lab.attention import LONGEST, AttentionMap, Recorder, by_row, even, held, lines, look, sink, sinking, write
from trivium.lab.piece import visible
from trivium.model.attention.attention import Attention
from trivium.model.attention.using import using
from trivium.token.tokenizer import Tokenizer

TEXT = "The $cat$ sat."


def model(preset: str, **stack: object) -> Model:
    tokenizer = Tokenizer.bytes()
    tree = {"vocab_size": tokenizer.size, **{name: stack for name in ("encoder",) if preset in ("t5", "bert")}}
    return Model(tiny.model(preset, tree=tree, **({} if preset == "bert" else stack)).eval(), tokenizer)


@pytest.mark.parametrize("preset", ["llama", "bert", "t5", "gemma2"])
def test_every_sublayer_is_seen_and_its_rows_are_shares(preset: str) -> None:
    watched_model = model(preset)
    layers = look(watched_model, TEXT)
    parts = [part for part in watched_model.transformer.modules() if isinstance(part, Attention)]
    assert len(layers) == len(parts)
    for layer in layers:
        heads, queries, keys = layer.weight.shape
        assert (heads, queries, keys) == (2, len(layer.queries), len(layer.keys))
        assert torch.allclose(layer.weight.sum(-1), torch.ones(heads, queries), atol=1e-5)
        assert not layer.weight.masked_select(~layer.mask).any()
    assert layers[0].queries == [visible(watched_model.tokenizer, i) for i in watched_model.encode(TEXT)]
    crossing = [layer for layer in layers if "to the encoder" in layer.name]
    assert len(crossing) == (2 if preset == "t5" else 0)
    assert all(layer.keys == layers[0].queries for layer in crossing)


def test_the_weights_are_those_that_mix_the_values() -> None:
    """With values of one-hot positions, what attention gives is the weight matrix itself."""
    seen = model("llama", kv_heads=1)
    part = seen.transformer.decoder.blocks[0].attention
    given: list[torch.Tensor] = []
    part.o.register_forward_pre_hook(lambda module, x: given.append(x[0]))
    values: list[torch.Tensor] = []
    part.v.register_forward_hook(lambda module, x, y: values.append(y))
    layer = look(seen, TEXT)[0]
    mixed = torch.einsum("hts,se->the", layer.weight, values[0][0])
    assert torch.allclose(mixed.flatten(1), given[0][0], atol=1e-5)


def test_watching_leaves_no_trace() -> None:
    seen = model("llama")
    before = {name: part.kernel for name, part in seen.transformer.named_modules() if isinstance(part, Attention)}
    expected = seen.logits([[5, 6, 7]])
    recorders = defaultdict(Recorder)
    with pytest.raises(RuntimeError), using(seen.transformer, recorders.__getitem__):
        raise RuntimeError
    with using(seen.transformer, recorders.__getitem__):
        assert torch.allclose(seen.logits([[5, 6, 7]]), expected, atol=1e-5)
    assert all(len(recorder.seen) == 1 for recorder in recorders.values())
    for name, kernel in before.items():
        assert seen.transformer.get_submodule(name).kernel is kernel
    assert "recorder" not in type(next(iter(before.values()))).kinds


def test_how_many_pairs_hold_the_weight() -> None:
    mask = torch.ones(4, 4, dtype=torch.bool)
    assert held(torch.eye(4), mask) == 4 / 16  # all of it, since 90 % needs the fourth one too
    assert held(torch.full((4, 4), 0.25), mask) == math.ceil(0.9 * 16) / 16
    one = torch.zeros(4, 4)
    one[:, 0] = 0.95
    one[:, 1] = 0.05
    assert held(one, mask) == 4 / 16
    causal = torch.ones(3, 3).tril().bool()
    assert torch.equal(even(causal), torch.tensor([[1, 0, 0], [1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3]]))
    assert held(even(causal), causal) == 6 / 6


def test_each_row_of_a_map_has_its_own_scale() -> None:
    mask = torch.ones(3, 3).tril().bool()
    weight = torch.tensor([[1.0, 0, 0], [0.25, 0.75, 0], [0.02, 0.02, 0.96]])
    scaled = by_row(weight, mask)
    assert torch.equal(scaled.isnan(), ~mask)
    assert torch.allclose(scaled[mask], torch.tensor([1, 1 / 3, 1, 1 / 48, 1 / 48, 1]))


def test_a_sink_is_told_in_words() -> None:
    mask = torch.ones(3, 3).tril().bool()
    weight = torch.tensor([[1.0, 0, 0], [0.9, 0.1, 0], [0.8, 0.1, 0.1]])
    assert sink(weight, mask) == pytest.approx(0.85)  # the first query sees one key and says nothing
    assert sink(even(mask), mask) == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert sink(torch.eye(3), torch.eye(3).bool()) == 0
    one = AttentionMap("decoder, layer 1", ["a"] * 3, ["a"] * 3, torch.stack([even(mask), weight]), mask, "x", None)
    assert sinking([one]).endswith("are decoder, layer 1: head 2.") and one.sinks == ["42%", "85%", "42%"]
    assert sinking([one._replace(weight=even(mask)[None])]).startswith("No head here is a sink")


def test_angles_are_position_times_frequency() -> None:
    layer = look(model("llama"), "abcdefgh")[1]
    frequency = 10000.0 ** -(torch.arange(8) / 8)
    turned = torch.arange(len(layer.queries))[:, None] * frequency
    assert torch.allclose(layer.angle.cos(), turned.cos(), atol=1e-4)
    assert torch.allclose(layer.angle.sin(), turned.sin(), atol=1e-4)
    assert all(one.angle is None for one in look(model("bert"), "ab"))


def test_the_page_shows_tokens_masks_heads_and_angles(tmp_path: Path) -> None:
    layers = look(model("llama", pattern=["causal", {"kind": "window", "size": 3}]), TEXT)
    write(layers, "a <title>", tmp_path / "a.html")
    html = (tmp_path / "a.html").read_text()
    assert html.count("data:image/png") == 2 + 2 * 2 + 1  # masks, heads, angles
    assert "a &lt;title&gt;" in html and "decoder, layer 2" in html and "&lt;s&gt;" in html
    shown = list(lines(layers))
    assert len(shown) == 7 and "window" in shown[2] and "first position" in shown[3]
    write(look(model("bert"), TEXT), "b", tmp_path / "b.html")
    assert "No layer of this model rotates" in (tmp_path / "b.html").read_text()


def test_long_texts_are_cut_and_a_tokenizer_is_needed() -> None:
    assert len(look(model("llama"), "a" * 200)[0].queries) == LONGEST
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        look(Model(tiny.model()), "a")


def test_a_decoder_beside_an_encoder_reads_a_target_where_there_is_one() -> None:
    seen = model("t5")
    crossing = next(layer for layer in look(seen, TEXT, "So") if layer.crosses)
    assert crossing.queries == [visible(seen.tokenizer, i) for i in (seen.layout().start, *seen.tokenizer.encode("So"))]
    assert sum(layer.crosses for layer in look(seen, TEXT, "So")) == 2
    assert not any(layer.crosses for layer in look(model("llama"), TEXT))
