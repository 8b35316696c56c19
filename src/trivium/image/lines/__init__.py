"""Drawn lines: printed text as pictures, by seed and index, with texts and faces that training never meets."""
