import pytest
import torch

import trivium
from trivium.base.batch import Stream
from trivium.infer.encode import embed

ROWS = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14]] * 15


@pytest.mark.parametrize("preset", ["bert", "t5", "llama"])
@pytest.mark.parametrize("pool", [None, "mean", "first", "last"])
def test_a_vector_does_not_depend_on_the_rows_beside_it(preset: str, pool: str | None) -> None:
    transformer = trivium.build(preset, depth=1, vocab_size=32).transformer
    together = embed(transformer, ROWS, pool)
    assert together.shape == (45, 64) and torch.allclose(together.norm(dim=-1), torch.ones(45))
    for at in (0, 1, 2, 44):
        assert torch.allclose(embed(transformer, [ROWS[at]], pool)[0], together[at], atol=1e-5)


def test_without_normalising_it_is_what_the_pool_says() -> None:
    transformer = trivium.build("bert", depth=1, vocab_size=32).transformer
    ids, shape = torch.tensor([[3, 4, 5]]), torch.arange(3)[None]
    with torch.no_grad():
        hidden = transformer.encode(Stream(ids, shape, torch.ones_like(ids)))
    for pool, expected in ((None, hidden[0].mean(0)), ("first", hidden[0, 0]), ("last", hidden[0, 2])):
        assert torch.allclose(embed(transformer, ids.tolist(), pool, normalise=False)[0], expected, atol=1e-6)


def test_a_bert_without_a_head_is_read_and_written(tmp_path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is the oracle of this test")
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    model = transformers.BertModel(config).eval()
    model.save_pretrained(tmp_path / "stock")
    ours = trivium.load(tmp_path / "stock")
    ids = torch.randint(5, 50, (2, 7))
    with torch.no_grad():
        said = model(ids).last_hidden_state
    assert torch.allclose(ours.hidden(ids), said, atol=1e-5)
    assert torch.allclose(embed(ours.transformer, ids.tolist(), normalise=False), said.mean(1), atol=1e-5)
    ours.save(tmp_path / "ours")
    again = transformers.AutoModel.from_pretrained(tmp_path / "ours").eval()
    with torch.no_grad():
        assert torch.allclose(again(ids).last_hidden_state, said, atol=1e-5)
