"""What an engine needs to read rows together: memory for them, kept prefixes, and the sizes of passes."""
