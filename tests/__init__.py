"""The tests of Hydria. README.md says what goes where."""

import os
import sys

# The tests start hundreds of interpreters: without kept bytecode each would compile every package anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
