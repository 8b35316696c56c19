"""The trackers of runs, one kind a file."""

from trivium.base import plugin

plugin.members(__name__, __path__)
