"""Examples become batches: shards on disk, plans of rows, mixtures, and the loader. Never torch."""
