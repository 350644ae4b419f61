"""The scripts, oldest first by name."""
