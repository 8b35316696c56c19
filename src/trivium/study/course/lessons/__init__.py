"""Every lesson, one a file; its `LESSON` joins."""
