"""The same requests to the real Octavia and to Hydria, and every difference between the answers. `./dev compare`."""
