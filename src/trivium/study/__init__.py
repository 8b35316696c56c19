"""What only proves: comparisons, ablations, floors, and the demo."""
