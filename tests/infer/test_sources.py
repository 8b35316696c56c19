"""What an encoder reads, in the engine: pictures beside pictures, in pieces, behind prefixes, with beams."""

import pytest
import torch

import tiny
from patches import drawn
from trivium.base.errors import ModelError
from trivium.infer.beam import Beam, search
from trivium.infer.engine import InferenceEngine
from trivium.infer.generate import Generation, generate
from trivium.infer.padding import batched
from trivium.infer.request import Request

EMBED = {"kind": "patches", "patch": 2, "size": [3, 4], "class_token": False}


def reader(pattern="causal"):
    """A small model whose decoder reads a picture among its tokens."""
    decoder = {"pattern": [pattern], "position": ["rope"]}
    tree = {
        "encoder": {"hidden_size": 16, "embed": EMBED, "position": ["rope2d"]},
        "decoder": decoder,
        "image_token": 63,
    }
    return tiny.model("paligemma2", tree=tree).eval()


def asked(model, rows, columns, text, seed=0):
    picture = drawn(model.config.pictures, rows, columns, seed)
    return picture, [model.config.placeholder] * len(picture) + text


def written(model, asks, count=6, **options):
    engine = InferenceEngine(model, **options)
    request = Request([ids for _, ids in asks], [picture for picture, _ in asks], max_new_tokens=count)
    run = Generation(model, request, engine)
    while run.live:
        run.step()
    return run


def test_pieces_and_neighbours_do_not_matter():
    model = reader()
    asks = [asked(model, 2, 3, [5, 6], 1), asked(model, 1, 4, [7], 2), asked(model, 3, 4, [8, 9, 10], 3)]
    alone = [written(model, [one]).ids[0] for one in asks]
    assert written(model, asks).ids == alone and len({*map(tuple, alone)}) > 1
    for chunk in (1, 4):
        assert written(model, asks, chunk=chunk).ids == alone, chunk
    assert written(model, asks, exact=True).ids == [written(model, [one], exact=True).ids[0] for one in asks]


def test_a_prefix_is_shared_by_questions_about_the_same_picture_alone():
    model = reader()
    first, again = asked(model, 2, 3, [5, 6], 1), asked(model, 2, 3, [5, 9], 1)
    other = asked(model, 2, 3, [5, 9], 2)
    engine = InferenceEngine(model, memory=1 << 20)
    hits = []
    for picture, ids in (first, again, other):
        run = Generation(model, Request([ids], [picture], max_new_tokens=5), engine)
        while run.live:
            run.step()
        hits.append(run.rows[0].hit)
        assert run.ids == written(model, [(picture, ids)], 5).ids
    assert hits == [0, 7, 0]


def test_the_image_token_is_never_written():
    model = reader()
    with torch.no_grad():
        model.tokens.weight[63] = 50 * model.tokens.weight[5]
    picture, ids = asked(model, 2, 3, [5])
    greedy = generate(model, Request([ids], [picture], max_new_tokens=8))[0].ids
    beams = search(model, Request([ids], [picture], max_new_tokens=8, decoding=Beam(beams=3)))[0]
    assert 63 not in greedy and all(63 not in one.ids for one in beams)


def test_beams_read_the_picture_of_their_own_prompt():
    model = reader({"kind": "prefix"})
    asks = [asked(model, 2, 3, [5, 6], 1), asked(model, 1, 4, [7], 2)]

    def best(some):
        request = Request([ids for _, ids in some], [one for one, _ in some], Beam(beams=3), max_new_tokens=6)
        return [found[0].ids for found in search(model, request)]

    assert best(asks) == [best([one])[0] for one in asks]


def test_a_text_alone_is_continued_too():
    model = reader()
    assert len(generate(model, Request([[5, 6, 7]], max_new_tokens=4))[0].ids) == 4


@pytest.mark.parametrize(
    ("prompt", "source", "message"),
    [
        ([63] * 5 + [4], (2, 3, 0), "prompt 0 has the image token 5 times; expected 6, the patches of its picture"),
        ([63, 4], None, "prompt 0 has the image token 1 times; expected 0"),
        ([63] * 15 + [4], (3, 5, 0), "picture 0 has 3 x 5 patches; the model reads at most 3 x 4"),
        ([4], [5, 6], "source 0: expected a picture, found list"),
    ],
)
def test_what_does_not_fit_is_one_line(prompt, source, message):
    model = reader()
    source = drawn(model.config.pictures, *source) if isinstance(source, tuple) else source
    with pytest.raises(ModelError, match=message):
        generate(model, Request([prompt], None if source is None else [source]))


def test_pixels_and_places_have_to_agree():
    model = reader()
    pixels = torch.randn(1, 3, 4, 6)
    batch = batched(model, [[63] * 6 + [4]], None, None, None, pixels)
    assert batch.enc.shape == (1, 6) and batch.dec.prefix is None
    assert batched(model, [[63] * 6 + [4]], None, None, [[0] * 6 + [1]], pixels).dec.prefix.sum() == 6
    assert batched(model, [[4, 5]], None, None, None, None).enc is None
    with pytest.raises(ModelError, match=r"input_ids: expected 6 places of a picture in each row, found \[5\]"):
        batched(model, [[63] * 5 + [4]], None, None, None, pixels)
    with pytest.raises(ModelError, match="pixel_values: a picture has 4 x 2 patches; the model reads at most 3 x 4"):
        batched(model, [[63] * 8], None, None, None, torch.randn(1, 3, 8, 4))
