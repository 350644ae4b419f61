"""The key manager of an OpenStack: Barbican."""
