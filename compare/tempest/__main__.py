"""`./dev tempest`: see `./dev tempest --help`."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from compare.sides import ROOT, running_noop
from compare.tempest.suite import Suite


def main() -> int:
    """Run octavia-tempest-plugin's API tests against a Hydria in noop mode; return 1 when one fails."""
    options = _options()
    suite = Suite(options.environment)
    with tempfile.TemporaryDirectory(prefix="hydria-tempest-") as temporary:
        directory = Path(temporary)
        with running_noop(directory / "hydria") as hydria:
            outcome = suite.run(directory, hydria.credentials, options.pattern, concurrency=options.concurrency)
        sys.stdout.write(outcome.text)
        if options.log and outcome.failed:
            options.log.write_bytes((directory / "hydria/hydria.log").read_bytes())
    return 1 if outcome.failed or not outcome.passed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev tempest", description=main.__doc__)
    parser.add_argument("pattern", nargs="*", help="only tests whose names match one of these regular expressions")
    parser.add_argument("--concurrency", type=int, default=os.cpu_count() or 1, help="processes with tests")
    parser.add_argument("--environment", type=Path, default=ROOT / ".dev/tempest", help="where tempest is installed")
    parser.add_argument("--log", type=Path, help="where to copy Hydria's log to when a test fails")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
