"""Budgets that keep the code readable: sizes of files and functions, no patching in tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sources import ROOT, nodes, python_files

# In one process, which parses each file once.
pytestmark = pytest.mark.xdist_group("sources")

LONGEST_FILE, LONGEST_FUNCTION, LONGEST_LINE = 400, 60, 120
PATCHING = {"mock", "monkeypatch", "mocker"}


def sources(*folders: str) -> Iterator[Path]:
    """Return the Python files below the folders, without the migrations, which are generated."""
    for folder in folders:
        for path in python_files(folder):
            if "migrations" not in path.parts:
                yield path


def documented(module: ast.AST) -> bool:
    return isinstance(module, ast.Module) and bool(ast.get_docstring(module))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_files_are_short() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in sources("src", "provider")}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_functions_are_short() -> None:
    long = {}
    for path in sources("src", "bench", "cluster", "compare", "demo", "provider", "stack"):
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    long[f"{name(path)}:{node.name}"] = length
    assert long == {}


def test_modules_have_docstrings() -> None:
    modules = [path for path in sources("src", "tests") if path.name != "__init__.py"]
    assert [name(path) for path in modules if not documented(nodes(path)[0])] == []


def test_tests_patch_nothing() -> None:
    patching = set()
    for path in sources("tests"):
        for node in nodes(path):
            named = {alias.name.partition(".")[0] for alias in getattr(node, "names", ()) if hasattr(alias, "name")}
            named |= {node.arg} if isinstance(node, ast.arg) else set()
            if isinstance(node, ast.ImportFrom):
                named |= set((node.module or "").split("."))
            if named & PATCHING:
                patching.add(name(path))
    assert patching == set()


def test_documents_have_no_long_lines() -> None:
    documents = [
        *(ROOT / each for each in ("CONTRIBUTING.md", "README.md", "tests/README.md")),
        *(ROOT / "docs" / each for each in ("architecture.md", "cluster.md", "glossary.md", "operations.md")),
        *(ROOT / "docs" / "architecture").glob("*.md"),
        *(ROOT / "docs" / "decisions").glob("*.md"),
    ]
    long = [
        f"{name(path)}:{number}"
        for path in documents
        for number, line in enumerate(path.read_text().splitlines(), 1)
        # A row of a table cannot be broken.
        if len(line) > LONGEST_LINE and not line.startswith("|")
    ]
    assert long == []
