"""MBartForConditionalGeneration: BART with pre-norm, and a code of the language at the front of a text."""

from trivium.interop.families.encoder_decoder import bart
from trivium.interop.family import Family

KEYS = bart.keys(pre=True)

FAMILY = Family("MBartForConditionalGeneration", "mbart", "model.", KEYS, bart.body, bart.head, aliases=bart.ALIASES)
