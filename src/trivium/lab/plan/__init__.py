"""What a run needs before it is paid: its memory on each rank, its FLOPs, its hours and its price."""
