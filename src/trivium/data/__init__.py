"""From text to packed batches: shards on disk, plans of rows, and the loader. Never torch."""
