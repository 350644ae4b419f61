"""The project's Python files, each read and parsed once in a process."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python_files(folder: str) -> Iterator[Path]:
    """Yield the Python files below a folder of the checkout."""
    yield from (ROOT / folder).rglob("*.py")


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a file's syntax tree, the module first."""
    return tuple(ast.walk(ast.parse(path.read_text())))
