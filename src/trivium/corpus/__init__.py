"""Raw text to shards: read, clean, deduplicate, tokenize, publish. `stages` shows the flow."""
