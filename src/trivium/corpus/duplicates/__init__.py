"""Find documents that occur twice, or that overlap with an evaluation set."""
