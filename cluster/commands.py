"""The parts that the commands of simulated machines share: `./dev cluster` and `./dev openstack`."""

import argparse
from collections.abc import Iterable

from rich.console import Console

from hydria.errors import HydriaError


def run(given: argparse.Namespace) -> int:
    """Run the chosen command, the function `given.run`; return the exit status."""
    try:
        return int(given.run(given) or 0)
    except HydriaError as error:
        Console(stderr=True, highlight=False).print(f"error: {error}", style="red", soft_wrap=True, markup=False)
        return 1
    except KeyboardInterrupt:
        return 130


def settings_of(texts: Iterable[str]) -> dict[str, str]:
    """Return the environment variables of settings that are given as KEY=VALUE. Raises HydriaError."""
    settings = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise HydriaError(f"--set {text} is no KEY=VALUE, such as failover.after_seconds=10")
        settings[f"HYDRIA_{key.replace('.', '_').upper()}"] = value
    return settings
