"""The tutorial: its commands with the expected answers, and `./dev demo`, which goes through it."""
