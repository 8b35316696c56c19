"""The course: pages in two languages whose numbers and drawings our own code makes on this machine."""
