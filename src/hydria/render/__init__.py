"""Data in, configuration text out; pure."""
