"""LlamaForCausalLM: LLaMA 1 to 3 and everything that was made to look like it."""

from trivium.interop.decoder import ATTENTION_BIAS, MLP_BIAS, heir
from trivium.interop.keys import DIVIDES

FAMILY = heir("LlamaForCausalLM", "llama", ATTENTION_BIAS, MLP_BIAS, DIVIDES)
