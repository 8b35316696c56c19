"""The layers of a block, and the input and output layers of a model."""

from trivium.base import plugin

plugin.members(__name__, __path__)
