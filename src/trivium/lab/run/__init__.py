"""What tells of runs: how one ended, what a step was made of, and several side by side."""
