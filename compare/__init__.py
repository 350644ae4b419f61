"""`./dev compare`: sends the same requests to the real Octavia and to Hydria, and lists the differences."""
