"""PegasusForConditionalGeneration: BART with pre-norm, the sinusoids of 2017 and no norm of embeddings."""

from trivium.interop.families.encoder_decoder import bart
from trivium.interop.family import Family

KEYS = bart.keys(pre=True, start="pad", fixed=True)

FAMILY = Family(
    "PegasusForConditionalGeneration", "pegasus", "model.", KEYS, bart.body, bart.head, aliases=bart.ALIASES
)
