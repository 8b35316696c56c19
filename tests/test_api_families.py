"""The same few names for every family: an encoder fills and embeds, an encoder-decoder writes from what it reads."""

import pytest
import torch

import trivium
from pieces import pieces
from trivium import api
from trivium.base.errors import ConfigError, ModelError, TriviumError
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


def test_a_roberta_fills_gaps_as_its_stock_class(tmp_path) -> None:  # type: ignore[no-untyped-def]
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    tokenizer = pieces("bytes", frame=True)
    built = api.build("roberta", depth=1, vocab_size=tokenizer.size, context=64)
    folder = api.Model(built.transformer, tokenizer).save(tmp_path / "m")
    stock = transformers.AutoModelForMaskedLM.from_pretrained(folder).eval()
    given = transformers.AutoTokenizer.from_pretrained(folder)("the <mask> says what", return_tensors="pt")
    with torch.no_grad():
        likely = stock(**given).logits[given["input_ids"] == tokenizer.vocabulary.mask].softmax(-1)[0].topk(3)
    (gap,) = trivium.load(folder).fill("the [MASK] says what", top=3)
    assert [guess for guess, _ in gap] == [tokenizer.decode([index]) for index in likely.indices.tolist()]
    assert [share for _, share in gap] == pytest.approx(likely.values.tolist(), rel=1e-4)


@pytest.mark.parametrize("frame", [True, False])
@pytest.mark.parametrize("kind", ["bytes", "llama2"])
def test_a_prompt_has_the_ids_that_stock_gives_it(frame, kind, tmp_path) -> None:  # type: ignore[no-untyped-def]
    transformers = pytest.importorskip("transformers")
    tokenizer = pieces(kind, frame=frame)
    built = api.build("llama", depth=1, vocab_size=tokenizer.size, context=64)
    folder = api.Model(built.transformer, tokenizer).save(tmp_path / "m")
    loaded, stock = trivium.load(folder), transformers.AutoTokenizer.from_pretrained(folder)
    for text in ("the user", " a  b", "", "\n"):
        assert loaded.encode(text) == stock(text)["input_ids"]
        assert loaded.layout().example([tokenizer.encode(text)]).dec.tolist() == stock(text)["input_ids"]
    assert (loaded.encode("the user")[0] == 1) == frame, "BOS stands only where the tokenizer puts it"
    assert loaded.generate("the user", max_new_tokens=4) == loaded.tokenizer.decode(
        loaded.generate(stock("the user")["input_ids"], max_new_tokens=4), skip_special=True
    )


def test_a_model_made_here_tells_stock_what_stands_around_a_text(tmp_path) -> None:  # type: ignore[no-untyped-def]
    transformers = pytest.importorskip("transformers")
    for preset, wanted in (("llama", [V.bos, 200]), ("bert", [V.bos, 200, V.eos]), ("t5", [200, V.eos])):
        m = made(preset)
        m.start = V.pad if preset == "t5" else None
        stock = transformers.AutoTokenizer.from_pretrained(m.save(tmp_path / preset))
        assert m.frame([200]) == wanted == stock(BYTES.decode([200]))["input_ids"]


def test_a_new_head_on_a_decoder_is_told_where_the_second_text_begins(tmp_path) -> None:  # type: ignore[no-untyped-def]
    transformers = pytest.importorskip("transformers")
    tokenizer = pieces("bytes")
    m = api.Model(api.build("llama", depth=1, vocab_size=tokenizer.size, context=64).transformer, tokenizer)
    m.equip("classify", ["a", "b"])
    stock = transformers.AutoTokenizer.from_pretrained(m.save(tmp_path / "m"))
    layout, one, two = trivium.load(tmp_path / "m").layout(), tokenizer.encode("the"), tokenizer.encode("user")
    assert layout.frame.lay([one])[0].tolist() == stock("the")["input_ids"] == one
    assert layout.frame.lay([one, two])[0].tolist() == stock("the", "user")["input_ids"] == [*one, V.eos, *two]


def test_one_of_the_templates_of_a_folder_is_picked(tmp_path) -> None:  # type: ignore[no-untyped-def]
    m = made("llama")
    other = "{{ bos_token }}{% for m in messages %}{{ m.content + eos_token }}{% endfor %}"
    m.tokenizer = Tokenizer(BYTES.json, BYTES.config, None, {"short": other})
    folder = m.save(tmp_path / "m")
    picked = trivium.load(folder, template="short")
    assert picked.tokenizer.chat_template == other == trivium.load(folder).tokenizer.chat_templates["short"]
    assert picked.chat([{"role": "user", "content": "a"}], 4) == picked.tokenizer.decode(
        picked.generate([1, *BYTES.encode("a"), 2], 4), skip_special=True
    )
    with pytest.raises(TriviumError, match="template 'long': the model's folder has no chat template of this name"):
        trivium.load(folder, template="long")


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
