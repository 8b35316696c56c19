"""MBartForConditionalGeneration: BART with pre-norm, and a code of the language at the front of a text."""

from trivium.interop.families.encoder_decoder import bart
from trivium.interop.family import Family

FAMILY = Family("MBartForConditionalGeneration", "mbart", "model.", bart.keys(pre=True), bart.body, bart.head)
