"""Imports match the dependencies in pyproject.toml, for each part of the product that can be installed alone."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.sources import ROOT, nodes, python_files

# In one process, which parses each file once.
pytestmark = pytest.mark.xdist_group("sources")

PRODUCT = ROOT / "src" / "hydria"
OWN = {"bench", "cluster", "compare", "demo", "hydria", "stack", "tests"}
# The extras that a part may use; the first matching prefix decides.
EXTRAS = {
    "store/hints.py": {"server", "postgresql"},
    "store/postgres.py": {"server", "postgresql"},
    "adapters/acme.py": {"server", "acme"},
    "adapters/openstack": {"openstack"},
    "adapters/linux/plug.py": {"lab"},
    "adapters": {"agent"},
    "agent": {"agent"},
    "doctor/neutron.py": {"openstack"},
    "doctor/openstack.py": {"openstack"},
    "doctor": {"agent"},
    "lab": {"lab"},
    "osc": {"client"},
    # Only the API explains requests.
    "render/explain": {"server"},
    "compose/plugging.py": {"lab"},
    # `hydria up` is server and agent, and waits for its server as an agent does.
    "compose": {"server", "agent"},
    **{part: {"server"} for part in ("api", "certificates.py", "cli", "controller", "dashboard", "homecloud", "http")},
    **{part: {"server"} for part in ("barbican", "neutron", "store")},
}
# Declared but not imported: uvicorn loads it by name.
BY_NAME = {"httptools"}
# The distributions that provide a package.
DISTRIBUTIONS = packages_distributions()


def plain(name: str) -> str:
    """Return a distribution's normalized name, without version and extras."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name)[0]).lower()


def declared() -> dict[str, set[str]]:
    """Return the distributions of each extra, of `dev`, and of what every installation has (an empty name)."""
    file = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = file["project"]
    extras = {"": project["dependencies"], **project["optional-dependencies"], "dev": file["dependency-groups"]["dev"]}
    return {extra: {plain(each) for each in names} for extra, names in extras.items()}


def imported(path: Path) -> Iterator[str]:
    """Yield the packages that a module imports, without our own and Python's."""
    for node in nodes(path):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in names:
            package = name.partition(".")[0]
            if package not in OWN and package not in sys.stdlib_module_names:
                yield package


def undeclared(path: Path, allowed: set[str]) -> set[str]:
    return {
        f"{path.relative_to(ROOT)}: {package}"
        for package in imported(path)
        if not {plain(each) for each in DISTRIBUTIONS.get(package, ())} & allowed
    }


def extras_of(path: Path) -> set[str]:
    within = path.relative_to(PRODUCT).as_posix()
    return next((extras for part, extras in EXTRAS.items() if f"{within}/".startswith(f"{part}/")), set())


def test_each_part_imports_only_what_its_extras_declare() -> None:
    known = declared()
    missing = set()
    for path in python_files("src/hydria"):
        missing |= undeclared(path, set().union(*(known[extra] for extra in ("", *extras_of(path)))))
    assert missing == set()


@pytest.mark.parametrize("folder", ["tests", "bench", "demo"])
def test_tools_import_only_what_is_declared(folder: str) -> None:
    allowed = set().union(*declared().values())
    siblings = {path.stem for path in (ROOT / "bench").glob("*.py")}
    missing = set().union(*(undeclared(path, allowed) for path in python_files(folder)))
    assert {each for each in missing if each.rpartition(" ")[2] not in siblings} == set()


def test_the_provider_driver_imports_only_what_it_declares() -> None:
    project = tomllib.loads((ROOT / "provider/pyproject.toml").read_text())["project"]
    # Octavia's libraries are not in this environment, so their packages are known by their names.
    packages = {plain(each).replace("-", "_") for each in project["dependencies"]}
    found = {package for path in python_files("provider/src") for package in imported(path)}
    assert found - {"hydria_octavia_provider"} == packages


def test_everything_declared_is_imported() -> None:
    packages = {package for path in python_files("src/hydria") for package in imported(path)}
    used = {plain(each) for package in packages for each in DISTRIBUTIONS.get(package, ())}
    product = set().union(*(names for extra, names in declared().items() if extra != "dev"))
    assert product - used - BY_NAME == set()
