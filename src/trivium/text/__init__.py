"""Text: sources, cleaning, tokenizer, row formats and the chat template. Works without torch."""
