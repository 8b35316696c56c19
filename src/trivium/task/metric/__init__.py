"""The metrics of tasks, those of one kind of answer in one file."""
