"""Every kind of row, those of one purpose in one file."""

from trivium.base import plugin

plugin.members(__name__, __path__)
