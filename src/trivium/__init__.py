"""Trivium: from a folder of raw text to a trained, fine-tuned, served and exported Transformer, on one small core.

The names below load on first use, so `import trivium` does not import torch.
"""

import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trivium.api import Model, build, load

# Large tensors go to pages of 2 MiB where Linux gives them on request: a step reads all weights, and their pages of
# 4 KiB are more than a processor remembers. torch looks at it at its first tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

__version__ = version("trivium")
__all__ = ["Model", "__version__", "build", "load"]


def __getattr__(name: str) -> Any:
    if name in ("Model", "build", "load"):
        from trivium import api

        return getattr(api, name)
    raise AttributeError(f"module 'trivium' has no attribute {name!r}")
