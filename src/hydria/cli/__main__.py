"""`python -m hydria.cli` is the command `hydria`."""

from hydria.cli import main

main()
