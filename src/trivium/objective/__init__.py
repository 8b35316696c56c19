"""What a model is asked to predict: token ids become an Example. numpy only, and never a string.

A file here is a kind: it joins its family when this package is imported, so adding an objective is adding a file.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
