"""The lines of a card say the same by this package and by the stock class."""

import pytest

import small
from trivium.token.template import Trivium, with_template


@pytest.mark.parametrize("text", ["What?", 'a "b" 中'])
def test_both_halves_of_a_card_say_the_same(text: str, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    """A decoder that learned to answer is asked by its chat template; test_chat asks encoder-decoders."""
    pytest.importorskip("transformers")
    model = small.model("llama")
    model.tokenizer = with_template(model.tokenizer, Trivium())
    model.record = {"recipe": {"objective": {"kind": "instruct"}}, "generation": {"max_new_tokens": 8, "num_beams": 4}}
    model.save(tmp_path / "m")
    capsys.readouterr()
    small.use(tmp_path / "m", text.replace('"', '\\"'))
    wanted = model.chat([{"role": "user", "content": text}], max_new_tokens=8)
    assert capsys.readouterr().out == f"{wanted}\n" * 2
    assert wanted, "nothing was said"
    card = (tmp_path / "m" / "README.md").read_text()
    assert "max_new_tokens=8" in card and "num_beams" not in card, "a conversation is not searched by beams"


def test_scores_and_vectors_are_asked_for_by_their_own_lines(tmp_path):
    """Sentence-transformers itself is the oracle in test_sentence and test_rerank."""
    model = small.model("bert")
    model.record = {"vectors": {"pool": "mean"}}
    told = (model.save(tmp_path / "vectors") / "README.md").read_text()
    assert 'print(model.embed(["Once upon a time"]))' in told and "import BertForMaskedLM" not in told
    assert 'print(SentenceTransformer("this folder").encode(["Once upon a time"]))' in told
    model = small.model("bert")
    model.equip("classify", ("score",))
    told = (model.save(tmp_path / "score") / "README.md").read_text()
    assert 'print(model.score([("Once upon a time", "there was a king")]))' in told and "classify(" not in told
