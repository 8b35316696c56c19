"""Pictures: a file becomes an array of colours, and an array becomes patches, as `token` makes ids of strings."""
