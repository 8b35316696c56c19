"""Repair documents, and decide which documents are kept."""

from trivium.base import plugin

plugin.members(__name__, __path__)
