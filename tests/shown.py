"""A page of `trivium export --to page`, run: its arithmetic in node, or all of it in a browser."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import trivium
from trivium.interop.hub import Folder
from trivium.interop.page.weights import dequantised, matrices
from trivium.interop.page.write import write
from trivium.model.weights import collect, fill

NODE = shutil.which("node")
GREEDY = """texts.map((text) => {
  const found = reader.prompt([text, ""], "", plan.turn && plan.turn.tuned);
  reader.readSource(found.source, found.types);
  let ids = found.ids;
  for (const next of reader.write(ids, ids.length, most)) ids = next;
  return ids.slice(found.ids.length);
})"""
"""The ids that a page writes greedily after each of `texts`, at most `most`."""


def folder(model: trivium.Model) -> Folder:
    """The parts of a model that a folder has."""
    parts = model.transformer, model._tokenizer, model.stop_ids, model.start, model.forced, model.record
    return Folder(*parts, model.defaults)


def exported(model: trivium.Model, file: Path, quantize: str | None = None) -> Path:
    """The page of a model."""
    return write(file, folder(model), quantize, "a model")


def rounded(model: trivium.Model) -> trivium.Model:
    """The model with the weights that its page has; changes it in place."""
    state = dequantised(collect(model.transformer), matrices(model.transformer))
    with torch.no_grad():
        fill(model.transformer, state, "page")
    return model


def block(html: str, name: str) -> str:
    """The text of a block of data or of the script of a page."""
    start = f'<script type="application/[a-z-]+" id="{name}">' if name else "<script>"
    found = re.search(rf"{start}(.*?)</script>", html, re.DOTALL)
    assert found is not None, name
    return found[1]


def node(file: Path, script: str, **given: Any) -> Any:
    """The value of an expression over `plan`, `model`, `tokens` and `reader` of a page, and what is given."""
    if NODE is None:
        pytest.skip("there is no node")
    html = file.read_text(encoding="utf-8")
    arithmetic = block(html, "").partition("// The parts of the page that show")[0]
    lines = [
        arithmetic,
        f"const plan = {block(html, 'plan')};",
        f'const model = new Model(plan, Uint8Array.from(Buffer.from("{block(html, "weights")}", "base64")));',
        "const tokens = new Tokens(plan.tokenizer), reader = new Reader(model, tokens);",
        *(f"const {name} = {json.dumps(value)};" for name, value in given.items()),
        f"process.stdout.write(JSON.stringify({script}));",
    ]
    done = subprocess.run([NODE, "-"], input="\n".join(lines), capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def greedy(model: trivium.Model, texts: Sequence[str], most: int) -> list[list[int]]:
    """The ids that Python writes greedily after each text."""
    return model.generate([model.encode(text) for text in texts], max_new_tokens=most)
