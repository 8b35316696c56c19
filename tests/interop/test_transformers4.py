"""Folders of ours in the transformers of the 4.x line: its own installation, beside ours, gives the same logits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from trivium import api
from trivium.token.template import CHAT_TEMPLATE
from trivium.token.tokenizer import Tokenizer

pytestmark = pytest.mark.slow

PACKAGES = ["transformers==4.57.6", "tokenizers==0.22.1", "huggingface-hub==0.36.0"]
DECODERS = [
    "gpt2",
    "llama",
    "llama3",
    "mistral",
    "ministral",
    "qwen2",
    "qwen3",
    "phi3",
    "smollm3",
    "olmo2",
    "gemma2",
    "gemma3_text",
]
ENCODERS = ["bert", "roberta", "xlm-roberta", "camembert", "distilbert", "modernbert"]  # EuroBERT came with version 5
PRESETS = [*DECODERS, *ENCODERS, "t5", "t5-v1.1", "mt5", "bart", "mbart", "marian", "pegasus"]
SCRIPT = """
import sys, json, torch, transformers
from safetensors.torch import load_file
assert transformers.__version__.startswith("4."), transformers.__version__
folder, kind = sys.argv[1:]
auto = {"decoder": "AutoModelForCausalLM", "encoder": "AutoModelForMaskedLM"}.get(kind, "AutoModelForSeq2SeqLM")
model = getattr(transformers, auto).from_pretrained(folder, attn_implementation="eager").eval()
given = load_file(folder + "-given.safetensors")
more = {"decoder_input_ids": given["ids"]} if kind == "encoder_decoder" else {}
with torch.no_grad():
    found = model(input_ids=given["ids"], **more).logits
gap = float((found - given["logits"]).abs().max() / max(1.0, float(given["logits"].std())))
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
print(json.dumps([gap, tokenizer("a b 42", add_special_tokens=False)["input_ids"]]))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"transformers 4.57 cannot be installed here: {done.stderr[-200:]}")
    return folder


@pytest.mark.parametrize("preset", PRESETS)
def test_logits_and_ids_are_the_same(preset: str, site: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    built = api.build(preset, depth=2, vocab_size=384, context=64)
    with torch.no_grad():
        for parameter in built.transformer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    tokenizer = Tokenizer.bytes()
    tokenizer.chat_template = CHAT_TEMPLATE
    model = api.Model(built.transformer, tokenizer)
    model.save(tmp_path / "m")
    ids = torch.randint(130, 384, (2, 9))
    more = {"decoder_input_ids": ids} if model.config.family == "encoder_decoder" else {}
    save_file({"ids": ids, "logits": model.logits(ids, **more).contiguous()}, f"{tmp_path / 'm'}-given.safetensors")
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "m"), model.config.family],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    gap, found = json.loads(done.stdout.splitlines()[-1])
    assert gap < 1e-5
    assert found == tokenizer.encode("a b 42")
