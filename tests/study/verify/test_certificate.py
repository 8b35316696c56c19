"""A certificate says that all ways of computing agree; each planted difference is found at its stage and explained."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

import small
import trivium
from certified import ALONE, CROWD, SHORT, first, theta, verdicts
from small import noisy
from trivium.base.errors import ModelError
from trivium.cli import app
from trivium.study.verify.certificate import certify

pytest.importorskip("transformers", reason="stock transformers is one of the stages")


def test_all_stages_agree_and_the_folder_says_so(folder: Path) -> None:
    findings = certify(folder, exact=True, **SHORT)
    outside = {"llama.cpp": "not run", "CTranslate2": "not run"}
    assert verdicts(findings) == {
        **dict.fromkeys(["hashes", "step by step", ALONE, CROWD, "HTTP server", "stock transformers"], "same"),
        **outside,
    }
    assert "the bits of one text alone" in next(one.about for one in findings if one.stage == "HTTP server")
    parity = json.loads((folder / "parity.json").read_text())
    assert parity["verdict"] == "same" and parity["exact"] and len(parity["tensors"]) > 10
    assert [one["stage"] for one in parity["stages"]] == [one.stage for one in findings]
    assert all(one["new_tokens"] > 0 for one in parity["stages"] if one["stage"] in ("step by step", ALONE, CROWD))
    card = (folder / "README.md").read_text()
    assert card.count("the same: hashes, step by step") == 1 and card.index("## Limits") < card.index("parity.json")
    again = trivium.load(folder)
    again.save(folder)
    assert not (folder / "parity.json").exists(), "a new model has no certificate"


def test_an_older_certificate_is_replaced(folder: Path, stages_of: Any) -> None:
    stages_of("step by step")
    for count in (2, 3):
        certify(folder, count=count, new_tokens=4)
    assert json.loads((folder / "parity.json").read_text())["texts"] == 3
    lines = [line for line in (folder / "README.md").read_text().splitlines() if "parity.json" in line]
    assert len(lines) == 1 and "(3 texts)" in lines[0]


def test_a_changed_weight_is_named(folder: Path, stages_of: Any) -> None:
    stages_of("step by step")
    certify(folder, **SHORT)
    before = (folder / "parity.json").read_bytes()
    state = load_file(folder / "model.safetensors")
    key = "model.layers.1.mlp.down_proj.weight"
    state[key][3, 4] += 1e-3
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    done = CliRunner().invoke(app, ["verify", str(folder), "-n", "2", "--new-tokens", "4"])
    assert done.exit_code == 1
    line = next(line for line in done.stdout.splitlines() if line.startswith("hashes"))
    assert (
        "model.safetensors: changed since trivium wrote it; the tensor decoder.blocks.1.ffn.down.weight is another"
        in line
    )
    assert "(1 of 21 are)" in line
    assert (folder / "parity.json").read_bytes() == before, "the certificate of the true weights stays"


def test_a_tokenizer_that_changed_since_the_certificate_is_named(folder: Path, stages_of: Any) -> None:
    stages_of("step by step")
    certify(folder, **SHORT)
    text = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(text + "\n")
    found = first(certify(folder, **SHORT))
    assert found.stage == "hashes" and found.about.startswith("tokenizer.json: changed since the certificate in parity")


@pytest.mark.parametrize("head", [None, "classify", "tag"])
def test_models_that_do_not_write(head: str | None, tmp_path: Path) -> None:
    made = noisy(small.model("bert"))
    if head:
        made.equip(head, ["a", "b", "c"])
        noisy(made)
    found = certify(made.save(tmp_path / "model"), **SHORT)
    same = {stage for stage, verdict in verdicts(found).items() if verdict == "same"}
    assert same == {"hashes", ALONE, CROWD, "HTTP server", "stock transformers"}
    assert all("within" in one.about for one in found if one.verdict == "same" and one.stage != "hashes")


def test_an_encoder_decoder(tmp_path: Path) -> None:
    model = noisy(small.model("t5"))
    model.start = 0
    findings = certify(model.save(tmp_path / "model"), exact=True, **SHORT)
    assert set(verdicts(findings).values()) == {"same", "not run"}
    assert [one.stage for one in findings if one.verdict == "not run"] == ["llama.cpp", "CTranslate2"]


def test_a_theta_that_trivium_json_does_not_have_is_no_model(folder: Path) -> None:
    theta(folder, 500.0)
    with pytest.raises(ModelError, match="theta"):
        certify(folder, **SHORT)
