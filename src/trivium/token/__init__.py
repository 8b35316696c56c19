"""Strings to ids and back: the tokenizer, the special tokens around a text, the chat template."""
