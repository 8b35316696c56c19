"""Ids that generation_config.json forces to the ends of what is generated, against transformers.generate."""

import json
from pathlib import Path

import pytest
import torch

import trivium
from trivium.base.errors import ConfigError, ModelError
from trivium.interop.beside.generation import NOWHERE
from trivium.token.tokenizer import Tokenizer

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
transformers.logging.set_verbosity_error()

CONFIG = {
    "vocab_size": 53,
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 5,
    "forced_eos_token_id": None,
}
SOURCES = [[9, 8, 7, 11, 30], [12, 4], [40, 41, 42, 43, 44, 45, 46, 5, 6]]
COUNT = 7


@pytest.fixture(scope="module", params=["mbart", "bart"])
def stock(request):
    """A stock model that begins with 5, writes 17 first and ends in 2."""
    config = transformers.AutoConfig.for_model(request.param, **CONFIG)
    model = transformers.AutoModelForSeq2SeqLM.from_config(config, attn_implementation="eager").eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.1 * noise if parameter.dim() == 1 and name.endswith("weight") else 0.3 * noise)
    model.generation_config.forced_bos_token_id, model.generation_config.forced_eos_token_id = 17, 2
    return model


@pytest.fixture
def folder(stock, tmp_path: Path) -> Path:
    stock.save_pretrained(tmp_path / "stock")
    return tmp_path / "stock"


def theirs(model, **options) -> list[list[int]]:
    """What the stock class writes after its start, without the end."""
    found = []
    for row in SOURCES:
        ids = torch.tensor([row])
        out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=COUNT, do_sample=False, **options)
        written = out[0, 1:].tolist()
        found.append(written[: written.index(2)] if 2 in written else written)
    return found


def change(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize("beams", [1, 4])
def test_forced_ids_are_those_of_transformers(stock, folder: Path, beams: int) -> None:
    ours = trivium.load(folder)
    assert (ours.start, ours.forced) == (5, {"first": 17, "last": 2})
    found = ours.generate(SOURCES, COUNT, num_beams=beams)
    assert found == theirs(stock, num_beams=beams)
    assert all(row[0] == 17 for row in found) and max(map(len, found)) == COUNT - 1, "the end is forced somewhere"
    free = ours.generate(SOURCES, COUNT, num_beams=beams, first=None, last=None)
    assert free == theirs(stock, num_beams=beams, forced_bos_token_id=None, forced_eos_token_id=None) != found
    other = ours.generate(SOURCES, COUNT, num_beams=beams, first=23)
    assert other == theirs(stock, num_beams=beams, forced_bos_token_id=23) and other[0][0] == 23


def test_draws_obey_too(folder: Path) -> None:
    ours = trivium.load(folder)
    drawn = ours.generate(SOURCES, COUNT, temperature=3.0, seed=0)
    assert all(row[0] == 17 and len(row) < COUNT for row in drawn) and len({tuple(row) for row in drawn}) == 3
    longer = ours.generate(SOURCES, COUNT, temperature=3.0, seed=0, last=None, repetition_penalty=1.5)
    assert max(map(len, longer)) == COUNT


def test_they_survive_saving(stock, folder: Path, tmp_path: Path) -> None:
    trivium.load(folder).save(tmp_path / "again")
    again = trivium.load(tmp_path / "again")
    assert (again.start, again.forced) == (5, {"first": 17, "last": 2})
    reread = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "again", attn_implementation="eager").eval()
    assert theirs(reread, eos_token_id=2, pad_token_id=0) == theirs(stock)
    again.forced, again.start = {}, 6
    again.save(tmp_path / "free")
    assert trivium.load(tmp_path / "free").forced == {} and trivium.load(tmp_path / "free").start == 6
    reread = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "free")
    both = reread.generation_config.forced_eos_token_id, reread.config.forced_eos_token_id
    assert both == (None, None), "not the class's own 2"
    assert reread.generation_config.decoder_start_token_id == 6


def test_a_model_of_no_stock_class_keeps_them(tmp_path: Path) -> None:
    made = trivium.build("bart", depth=1, vocab_size=Tokenizer.bytes().size, norm="rms")
    made.tokenizer, made.start, made.forced = Tokenizer.bytes(), 9, {"first": 17}
    made.save(tmp_path / "m")
    found = trivium.load(tmp_path / "m")
    assert json.loads((tmp_path / "m/config.json").read_text())["model_type"] == "trivium"
    assert (found.start, found.forced) == (9, {"first": 17})
    assert "".join(found.stream("a", 3)) == found.generate("a", 3), "a stream obeys them too"


def test_config_json_is_asked_only_where_it_is_alone(folder: Path) -> None:
    change(folder / "config.json", forced_bos_token_id=33, forced_eos_token_id=34)
    assert trivium.load(folder).forced == {"first": 17, "last": 2}
    (folder / "generation_config.json").unlink()
    assert trivium.load(folder).forced == {"first": 33, "last": 34}
    stock = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").eval()
    assert trivium.load(folder).generate(SOURCES, COUNT) == theirs(stock)


@pytest.mark.parametrize("wrong", [53, -1, "17", [2, 3], True])
def test_what_is_no_id_of_the_model_is_refused(folder: Path, wrong: object) -> None:
    change(folder / "generation_config.json", forced_bos_token_id=wrong)
    with pytest.raises(ModelError, match=r"generation_config.json: forced_bos_token_id: expected one id from 0 to 52"):
        trivium.load(folder)


def test_an_id_that_cannot_be_forced_is_refused(folder: Path) -> None:
    ours = trivium.load(folder)
    for beams in (1, 2):
        with pytest.raises(ConfigError, match="the id 99 cannot be forced; expected ids from 0 to 52"):
            ours.generate(SOURCES, COUNT, num_beams=beams, first=99)


GIVEN = [
    ({"decoder_start_token_id": 7}, None),
    ({"decoder_start_token_id": 7}, {"decoder_start_token_id": 9}),
    ({"decoder_start_token_id": 7}, {"bos_token_id": 4}),
    ({}, {"decoder_start_token_id": 9}),
    ({}, {"decoder_start_token_id": [9], "bos_token_id": 4}),
    ({}, {"decoder_start_token_id": None, "bos_token_id": 4}),
    ({"bos_token_id": 4}, None),
    ({"bos_token_id": 4}, {}),
    ({}, None),
    ({"decoder_start_token_id": None, "bos_token_id": None}, None),
]


@pytest.mark.parametrize(("config", "generation"), GIVEN)
def test_a_decoder_begins_as_the_stock_class_finds_it(
    stock, folder: Path, config: dict, generation: dict | None
) -> None:
    """`config` and `generation` are what the two files say of the start; None is no file."""
    tree = json.loads((folder / "config.json").read_text())
    kept = {key: value for key, value in tree.items() if key not in ("decoder_start_token_id", "bos_token_id")}
    (folder / "config.json").write_text(json.dumps(kept | config))
    (folder / "generation_config.json").unlink()
    if generation is not None:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    ours = trivium.load(folder)
    again = trivium.load(ours.save(folder.parent / "again"))
    reader = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").eval()
    try:
        wanted = theirs(reader, pad_token_id=0, eos_token_id=2)
    except ValueError:  # stock: decoder_start_token_id or bos_token_id has to be defined
        for model in (ours, again):
            with pytest.raises(ModelError, match=r"no file says with which id its decoder begins; set model\.start"):
                model.generate(SOURCES, COUNT)
        ours.start = 3
        assert ours.generate(SOURCES, COUNT)
        return
    begin = reader.generate(torch.tensor([SOURCES[0]]), max_new_tokens=1)[0, 0]
    for model in (ours, again):
        model.stop_ids = (2,)
        assert model.start == begin and model.generate(SOURCES, COUNT) == wanted


def test_a_fresh_model_says_with_which_id_it_begins(tmp_path: Path) -> None:
    made = trivium.build("t5", depth=1, vocab_size=32)
    again = trivium.load(made.save(tmp_path / "m"))
    assert again.start == 0 and again.generate([[5, 6]], 5) == made.generate([[5, 6]], 5)
    reader = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "m")
    assert reader.generate(torch.tensor([[5, 6]]), max_new_tokens=5)[0].tolist()[:1] == [0]


def test_a_start_that_no_file_said_is_not_made_up(tmp_path: Path) -> None:
    made = trivium.build("t5", depth=1, vocab_size=Tokenizer.bytes().size)
    made.tokenizer, made.start = Tokenizer.bytes(), NOWHERE
    again = trivium.load(made.save(tmp_path / "m"))
    reader = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "m")
    bos = made.tokenizer.vocabulary.bos
    assert again.start == bos == reader.generate(torch.tensor([[5, 6]]), max_new_tokens=5)[0, 0]
    assert json.loads((tmp_path / "m/config.json").read_text()).get("decoder_start_token_id") is None
