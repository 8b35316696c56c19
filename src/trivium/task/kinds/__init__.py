"""Every task, one a file."""

from trivium.base import plugin

plugin.members(__name__, __path__)
