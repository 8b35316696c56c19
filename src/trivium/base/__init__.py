"""The base of all rooms: configuration, records, batches, seeds, files, log, errors. Never imports torch."""
