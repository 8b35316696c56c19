"""What a person wants of a model: each file puts the rooms below together for one purpose, each kind is one task."""

from trivium.base import plugin

plugin.members(__name__, __path__)
