"""The stages of a preparation, one file each: read, dedup, tokenizer, encode, publish."""
