"""Model folders: ours and Hugging Face's, which are the same."""
