"""The one loop and what it needs. It knows batches and losses; no class of model, no task, no file format of models."""
