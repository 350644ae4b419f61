"""A real Keystone to try Hydria with."""
