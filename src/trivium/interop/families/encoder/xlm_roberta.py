"""XLMRobertaForMaskedLM: RoBERTa under another name."""

from dataclasses import replace

from trivium.interop.families.encoder import roberta

FAMILY = replace(
    roberta.FAMILY,
    architecture="XLMRobertaForMaskedLM",
    model_type="xlm-roberta",
    keys=roberta.keys(vocab_size=30522),
    twin=True,
)
