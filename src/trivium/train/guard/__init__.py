"""What keeps a run from being lost: signals, faults, other processes."""
