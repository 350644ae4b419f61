"""Octavia's own API tests against Hydria's noop mode."""
