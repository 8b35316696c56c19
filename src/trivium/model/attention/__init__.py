"""Who sees whom, and how scores become outputs."""

from trivium.base import plugin

plugin.members(__name__, __path__)
