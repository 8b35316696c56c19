"""Every exercise of the course, one a file; its `EXERCISE` joins."""
