"""The tutorial: what is typed, what must be seen, and `./dev demo`, which goes through it."""
