"""MarianMTModel: BART with the sinusoids of 2017 and no norm of embeddings."""

from trivium.interop.families.encoder_decoder import bart
from trivium.interop.family import Family
from trivium.interop.keys import only, told

KEYS = [
    *bart.keys(pre=False, start="pad", fixed=True, vocab_size=58101),
    only("share_encoder_decoder_embeddings", True),
    told(decoder_vocab_size=lambda ours: ours.config.vocab_size),
]

FAMILY = Family("MarianMTModel", "marian", "model.", KEYS, bart.body, bart.head, aliases=bart.ALIASES)
