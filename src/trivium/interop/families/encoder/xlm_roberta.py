"""XLMRobertaForMaskedLM: RoBERTa under another name."""

from dataclasses import replace

from trivium.interop.families.encoder import roberta

NAMES = {"architecture": "XLMRobertaForMaskedLM", "model_type": "xlm-roberta"}
FAMILY = replace(roberta.FAMILY, keys=roberta.keys(vocab_size=30522), twin=True, **NAMES)
