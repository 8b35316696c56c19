"""Raw text to shards: read, clean, deduplicate, tokenize, publish."""
