"""What a person sets out to do: each file puts the rooms below together for one purpose."""
