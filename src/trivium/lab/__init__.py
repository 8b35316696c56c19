"""The laboratory: the demo, and what shows, compares and explains; may import every room below."""
