"""Every task, one a file."""
