"""The same few names for every family: an encoder fills and embeds, an encoder-decoder writes from what it reads."""

import pytest
import torch

import trivium
from trivium import api
from trivium.base.errors import ConfigError, ModelError
from trivium.infer.generate import generate
from trivium.infer.request import Request
from trivium.token.tokenizer import Tokenizer

BYTES = Tokenizer.bytes()
V = BYTES.vocabulary


def made(preset: str, **options: object) -> api.Model:
    torch.manual_seed(0)
    return api.Model(api.build(preset, depth=1, vocab_size=384, context=64, **options).transformer, BYTES)


def test_an_encoder_decoder_reads_the_prompt_and_writes_beside_it() -> None:
    m = made("t5")
    source = [*BYTES.encode("abc"), V.eos]
    (wanted,) = generate(
        m.transformer, Request([[V.pad]], max_new_tokens=5, stop_ids=m.stop_ids, vocabulary=384, sources=[source])
    )
    assert m.generate([source], max_new_tokens=5) == [wanted.ids]
    assert m.generate("abc", max_new_tokens=5) == BYTES.decode(wanted.ids, skip_special=True)
    assert "".join(m.stream("abc", max_new_tokens=5)) == m.generate("abc", max_new_tokens=5)


def test_one_beam_is_greedy_and_more_are_not_worse() -> None:
    m = made("llama")
    greedy = m.generate([[V.bos, 200]], max_new_tokens=6)
    assert m.generate([[V.bos, 200]], max_new_tokens=6, num_beams=2) is not None
    assert m.generate("x", max_new_tokens=4, num_beams=3) == m.generate(["x"], max_new_tokens=4, num_beams=3)[0]
    assert len(greedy[0]) <= 6
    with pytest.raises(ConfigError, match="length_penalty: only with num_beams > 1"):
        m.generate("x", length_penalty=2.0)
    with pytest.raises(ConfigError, match="min_new_tokens: expected at most max_new_tokens 4, found 5"):
        m.generate("x", max_new_tokens=4, min_new_tokens=5)
    with pytest.raises(ConfigError, match="num_beams: expected at least 1, found 0"):
        m.generate("x", num_beams=0)
    with pytest.raises(ConfigError, match="temperature, seed: only with num_beams = 1"):
        m.generate("x", num_beams=2, temperature=0.5, seed=1)
    with pytest.raises(ConfigError, match="did you mean 'no_repeat_ngram'"):
        m.generate("x", num_beams=2, no_repeat_ngrams=2)


def test_bart_begins_with_what_its_folder_says(tmp_path) -> None:  # type: ignore[no-untyped-def]
    m = made("bart")
    m.save(tmp_path / "m")
    loaded = trivium.load(tmp_path / "m")
    assert loaded.start == V.eos
    assert loaded.frame([200]) == [V.bos, 200, V.eos]


def test_gaps_are_filled_in_order_and_probabilities_fall() -> None:
    m = made("bert")
    gaps = m.fill("a [MASK] c <mask>", top=3)
    assert len(gaps) == 2 and all(len(gap) == 3 for gap in gaps)
    assert all(gap[0][1] >= gap[1][1] >= gap[2][1] > 0 for gap in gaps)
    with pytest.raises(ConfigError, match="no mask"):
        m.fill("no gap")
    with pytest.raises(ModelError, match="encoder"):
        made("llama").fill("a [MASK]")


def test_a_vector_does_not_depend_on_its_neighbours() -> None:
    m = made("bert")
    together = m.embed(["a", "a longer text", "b"])
    assert torch.allclose(together[1], m.embed(["a longer text"])[0], atol=1e-5)
    assert together.shape == (3, 64)
