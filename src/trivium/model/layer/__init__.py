"""The parts of a block, and the ways in and out of a model."""

from trivium.base import plugin

plugin.members(__name__, __path__)
