"""Trivium: from a folder of raw text to a trained, tuned and served Transformer, on one small core.

The names below are loaded when they are first used: `import trivium` costs no torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trivium.api import Model, build, load

__version__ = "0.1.0"
__all__ = ["Model", "__version__", "build", "load"]


def __getattr__(name: str) -> Any:
    if name in ("Model", "build", "load"):
        from trivium import api

        return getattr(api, name)
    raise AttributeError(f"module 'trivium' has no attribute {name!r}")
