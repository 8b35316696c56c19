"""Files of rows: each row becomes a Record, and a Record becomes a conversation or the Examples of a head."""

from trivium.base import plugin

plugin.members(__name__, __path__)
