"""What a card tells of a run: data, licence, base, recipe, scores, limits; nothing that is not known."""

import re

import pytest
import yaml

import small
from trivium.interop.card import section
from trivium.interop.card.card import card

CONFIG = small.model("llama").config
RECIPE = {
    "data": {"path": ["data/mine"]},
    "objective": {"kind": "causal"},
    "optim": {"kind": "adamw", "lr": 0.003, "betas": [0.9, 0.95]},
    "batch_tokens": 4096,
    "seed": 0,
    "init": None,
}
FACTS = [{"name": "mine", "documents": 1200, "tokens": 9000, "bytes": 36000, "languages": ["de", "en"], "hub": ["a/b"]}]
RECORD = {"stock": "LlamaForCausalLM", "parameters": 1000, "recipe": RECIPE, "trained_on": FACTS, "data": "1f2e"}
RECORD |= {"result": {"step": 50, "tokens": 8000, "loss": 3.0}}
RECORD |= {"held_out": {"loss": 4.5, "targets": 1234, "bits_per_byte": None, "perplexity": 90.017}}


def parts(record: dict) -> tuple[dict, dict[str, str]]:
    """The metadata, and the sections by title, of a card."""
    metadata, body = card(CONFIG, record).removeprefix("---\n").split("\n---\n")
    found = re.split(r"^## (.+)$", body, flags=re.MULTILINE)
    return yaml.safe_load(metadata), dict(zip(found[1::2], found[2::2], strict=True))


def test_a_card_tells_of_data_recipe_scores_limits_and_how_to_cite():
    metadata, body = parts(RECORD)
    assert metadata["datasets"] == ["a/b"] and metadata["language"] == ["de", "en"] and "base_model" not in metadata
    assert "- `mine`; 1,200 documents, 9,000 tokens, 36,000 bytes; de, en; a/b\n" in body["Data"]
    assert "licence of the data: not given" in body["Data"] and "`1f2e`" in body["Data"]
    assert "| optim | adamw, lr 0.003 |" in body["Training"] and "| steps | 50 |" in body["Training"]
    assert "| held-out loss | 4.5 |" in body["Scores"] and "| held-out targets | 1,234 |" in body["Scores"]
    assert "bits" not in body["Scores"], "what was not measured is not told"
    assert "9,000 tokens, 9 for each parameter" in body["Limits"] and "de, en" in body["Limits"]
    assert "It continues text; it was not tuned to answer" in body["Limits"]
    assert "not evaluated" not in body["Limits"]
    assert body["Citation"].count("{") == body["Citation"].count("}") and "@software{trivium," in body["Citation"]


def test_a_given_licence_stands_on_the_card():
    assert "licence of the data: CC-BY-4.0\n" in parts(RECORD | {"data_license": "CC-BY-4.0"})[1]["Data"]


@pytest.mark.parametrize(
    ("init", "told", "base_model"),
    [
        ("hf:Qwen/Qwen3-0.6B@main", "hf:Qwen/Qwen3-0.6B@main", "Qwen/Qwen3-0.6B"),
        ("/mnt/me/runs/llama/model", "llama/model", None),
    ],
)
def test_the_base_is_named_and_its_place_is_not(init, told, base_model):
    metadata, body = parts(RECORD | {"recipe": RECIPE | {"init": init}, "task": "chat"})
    assert f"| base | `{told}` |" in body["Training"] and metadata.get("base_model") == base_model
    assert "/mnt" not in str(body) and "It continues text" not in body["Limits"]
    assert section.base({"base": "hf:a/b"}) == "hf:a/b" and section.base({}) is None


def test_a_model_of_which_nothing_is_known_says_nothing():
    assert parts({"stock": None, "parameters": 1})[1].keys() == {"Use", "Limits", "Citation"}
    assert "not evaluated on held-out data" in parts({**RECORD, "held_out": None})[1]["Limits"]
