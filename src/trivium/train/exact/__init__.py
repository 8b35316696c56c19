"""The same weights for any number of processes: grains and their sum, steps computed twice, the certificate."""
