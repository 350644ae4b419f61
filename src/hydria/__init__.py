"""Load balancing as a service: Octavia's API, light amphorae."""
