"""Octavia's provider driver for Hydria. It runs in Octavia's processes and imports nothing of Hydria."""
