"""Positions: each equal to the stock implementation, and each with the property it is chosen for."""

import math

import pytest
import torch
from pydantic import ValidationError

from trivium.base.batch import Stream
from trivium.base.config import dump, parse
from trivium.model.config import ModelConfig
from trivium.model.layer.position import M2M100, ALiBi, Bucket, Position, RoPE, Sinusoid, rotate
from trivium.model.transformer import Transformer


def places(length: int, start: int = 0) -> torch.Tensor:
    return torch.arange(start, start + length)[None]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("buckets", "distance"), [(32, 128), (16, 20), (8, 300)])
def test_buckets_are_those_of_t5(bidirectional: bool, buckets: int, distance: int) -> None:
    stock = pytest.importorskip("transformers.models.t5.modeling_t5", reason="transformers is the oracle")
    ahead = torch.arange(-700, 701)
    expected = stock.T5Attention._relative_position_bucket(ahead, bidirectional, buckets, distance)
    config = Bucket(num_buckets=buckets, max_distance=distance, bidirectional=bidirectional)
    assert torch.equal(config.bucket(ahead), expected)


def test_bucket_bias_is_that_of_t5() -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is the oracle")
    stock = pytest.importorskip("transformers.models.t5.modeling_t5")
    for decoder in (False, True):
        config = transformers.T5Config(d_model=32, num_heads=4, d_kv=8, is_decoder=decoder)
        reference = stock.T5Attention(config, has_relative_attention_bias=True, layer_idx=0)
        ours = Bucket(bidirectional=not decoder).relative(heads=4, head_size=8)
        ours.table.weight.data.copy_(reference.relative_attention_bias.weight)
        assert torch.equal(ours.bias(places(300), places(300)), reference.compute_bias(300, 300))
        step = ours.bias(places(1, start=299), places(300))
        assert torch.equal(step, reference.compute_bias(300, 300)[:, :, -1:])


@pytest.mark.parametrize("heads", [1, 2, 8, 12, 20])
def test_alibi_is_that_of_bloom_up_to_a_number_for_each_query(heads: int) -> None:
    stock = pytest.importorskip("transformers.models.bloom.modeling_bloom", reason="transformers is the oracle")
    theirs = stock.build_alibi_tensor(torch.ones(1, 30), heads, torch.float32)[None]  # 1 H 1 S: falls with the query
    ours = ALiBi().relative(heads, 8).bias(places(30), places(30))
    row = torch.where(torch.ones(30, 30).tril().bool(), ours - theirs, torch.nan)
    assert torch.nanmean((row - row[..., :1]).abs()) < 1e-5
    assert ours.diagonal(dim1=-2, dim2=-1).abs().max() == 0 and torch.equal(ours, ours.mT)


def test_sinusoid_of_the_paper() -> None:
    """Vaswani et al. 2017, section 3.5, sines first."""
    found = Sinusoid().additive(9, 6)(places(9))[0]
    for t in range(9):
        angles = [t / 10000 ** (2 * i / 6) for i in range(3)]
        expected = torch.tensor([math.sin(a) for a in angles] + [math.cos(a) for a in angles])
        assert torch.allclose(found[t], expected, atol=1e-6)


def test_sinusoid_is_that_of_marian_and_m2m100_is_another() -> None:
    marian = pytest.importorskip("transformers.models.marian.modeling_marian", reason="transformers is the oracle")
    m2m100 = pytest.importorskip("transformers.models.m2m_100.modeling_m2m_100", reason="transformers is the oracle")
    stock = marian.MarianSinusoidalPositionalEmbedding(500, 64)
    paper, other = (kind.additive(500, 64)(places(500))[0] for kind in (Sinusoid(), M2M100()))
    assert torch.allclose(paper, stock.create_weight(), atol=1e-4)
    assert torch.allclose(other, m2m100.M2M100SinusoidalPositionalEmbedding.get_embedding(500, 64), atol=1e-4)
    assert (paper - other)[:51].abs().max() > 0.5


@pytest.mark.parametrize(("paper", "kind"), [(True, Sinusoid(theta=50.0)), (False, M2M100(theta=50.0))])
def test_the_sinusoids_of_format_1_are_read_as_they_were(paper: bool, kind: Position) -> None:
    assert Position.parse({"kind": "sinusoid", "theta": 50.0, "paper": paper}) == kind
    assert Position.parse(dump(kind)) == kind and Position.parse("sinusoid") == Sinusoid()


@pytest.mark.parametrize("fraction", [1.0, 0.5, 0.3])
def test_rope_is_that_of_gpt_neox(fraction: float) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is the oracle")
    stock = pytest.importorskip("transformers.models.gpt_neox.modeling_gpt_neox")
    rope = {"rope_type": "default", "rope_theta": 5000.0, "partial_rotary_factor": fraction}
    config = transformers.GPTNeoXConfig(hidden_size=80, num_attention_heads=4, rope_parameters=rope)
    cos, sin = stock.GPTNeoXRotaryEmbedding(config)(torch.zeros(1), places(40))
    ours = RoPE(theta=5000.0, fraction=fraction).relative(4, 20).rotation(places(40))
    assert torch.equal(ours.cos[:, 0], cos) and torch.equal(ours.sin[:, 0], sin)
    q, k = torch.randn(2, 1, 4, 40, 20).unbind()
    for mine, theirs in zip((q, k), stock.apply_rotary_pos_emb(q, k, cos, sin), strict=True):
        assert torch.allclose(rotate(mine, ours), theirs, atol=1e-6)


@pytest.mark.parametrize("kind", ["default", "linear", "llama3", "yarn", "none"])
def test_rope_scores_depend_on_distance_alone(kind: str) -> None:
    scaling = "none" if kind == "default" else {"kind": kind}
    relative = RoPE(scaling=scaling, fraction=0.5 if kind == "none" else 1.0).relative(2, 16)
    q, k = torch.randn(2, 1, 2, 12, 16, generator=torch.Generator().manual_seed(0)).unbind()

    def scores(start: int) -> torch.Tensor:
        rotation = relative.rotation(places(12, start))
        return rotate(q, rotation) @ rotate(k, rotation).mT

    assert torch.allclose(scores(0), scores(1000), atol=2e-3)  # an angle of 1,000 radians holds 6e-5 in float32
    assert not torch.allclose(scores(0), q @ k.mT, atol=2e-3)


@pytest.mark.parametrize("kind", ["none", "rope", "bucket", "alibi"])
def test_logits_do_not_change_when_the_whole_sequence_moves(kind: str) -> None:
    tree = {"preset": "llama", "vocab_size": 50, "depth": 1, "context": 64, "decoder": {"position": kind, "layers": 2}}
    torch.manual_seed(0)
    model = Transformer(parse(ModelConfig, tree)).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    ids, documents = torch.randint(50, (1, 20)), torch.ones(1, 20, dtype=torch.long)
    with torch.no_grad():
        near, far = (model.logits(model.decode(Stream(ids, places(20, start), documents))) for start in (0, 1000))
    assert (near - far).abs().max() <= 1e-4 * float(near.std())


@pytest.mark.parametrize("kind", Position.kinds)
def test_tables_stay_float32_in_a_bfloat16_model(kind: str) -> None:
    config = Position.kinds[kind]()
    relative, additive = config.relative(6, 16), config.additive(64, 96)
    before = relative.rotation(places(20)), relative.bias(places(20), places(20))
    relative.bfloat16()
    after = relative.rotation(places(20)), relative.bias(places(20), places(20))
    assert all(x.dtype == torch.float32 for x in relative.buffers() if x.is_floating_point())
    if before[0] is not None:
        assert torch.equal(before[0].cos, after[0].cos)
    if before[1] is not None and not list(relative.parameters()):
        assert torch.equal(before[1], after[1])
    if additive is not None:
        assert all(buffer.dtype == torch.float32 for buffer in additive.bfloat16().buffers())


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("bucket", {"num_buckets": 0}, "greater than or equal to 4"),
        ("bucket", {"max_distance": 16}, "expected more than 16, the distances with an own bucket"),
        ("rope", {"fraction": 0.0}, "greater than 0"),
        ("rope", {"fraction": 1.5}, "less than or equal to 1"),
        ("rope", {"theta": 0.5}, "greater than 1"),
    ],
)
def test_values_that_mean_nothing_are_refused(kind: str, fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Position.kinds[kind](**fields)
