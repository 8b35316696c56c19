"""What is mended in a document, and which documents are kept."""

from trivium.base import plugin

plugin.members(__name__, __path__)
