"""Octavia's API v2: one module per resource, each a list of operations over transactions."""
