"""What touches the world outside the process; each implements a protocol of `hydria.protocols`."""
