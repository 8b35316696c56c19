"""Strings to ids and back: the tokenizer, the frame around a text, the chat template."""
