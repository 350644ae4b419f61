"""Functions from data to configuration text. Pure."""
