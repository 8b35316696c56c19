"""What all commands share: their options, how they are decorated, and how a mistake is told."""
