"""Attention: patterns of allowed pairs, kernels, the KV cache."""

from trivium.base import plugin

plugin.members(__name__, __path__)
