"""The stages of a preparation, one file each. In their order: read, dedup, tokenizer, encode, publish."""
