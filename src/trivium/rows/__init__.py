"""What people's files of rows hold: formats become records, records become conversations and Examples."""

from trivium.base import plugin

plugin.members(__name__, __path__)
