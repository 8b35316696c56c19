"""Pairs of an encoder of pictures and a decoder."""
