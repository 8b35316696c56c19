"""Every kind of row, those of one purpose in one file.

Of several kinds that fit a row without an answer, the first is taken, in the order of these files.
"""

from trivium.base import plugin

plugin.members(__name__, __path__)
