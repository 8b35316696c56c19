"""What a model is asked to predict: token ids become an Example. numpy only, and never a string."""

from trivium.base import plugin

plugin.members(__name__, __path__)
