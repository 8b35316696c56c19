"""The stages of a preparation, one file each. In their order: split, read, dedup, tokenizer, encode, publish."""
