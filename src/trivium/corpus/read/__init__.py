"""Files, folders, packages and hub data sets become documents."""
