"""What a model predicts: token ids become an Example. This room uses numpy only and knows no strings."""

from trivium.base import plugin

plugin.members(__name__, __path__)
