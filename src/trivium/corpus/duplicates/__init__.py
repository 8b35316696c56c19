"""Documents that stand twice, or in an evaluation set."""
