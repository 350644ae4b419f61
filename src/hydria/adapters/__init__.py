"""Adapters to the world outside the process. Each implements a protocol of `hydria.protocols`."""
