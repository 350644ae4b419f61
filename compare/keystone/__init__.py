"""Tries Hydria with a real Keystone."""
