"""The stock `openstack` client, with its answers read as JSON."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from demo.shell import Answer, Shell
from hydria.compose.credentials import Credentials
from tests.support.warm_client import WarmShell


class Client:
    """The client with the first admin's credentials. Close it after use."""

    def __init__(self, credentials: Credentials, directory: Path) -> None:
        """`directory` is for a socket, so its path must be short."""
        self.cold = Shell(Path(sys.executable).parent, os.environ)
        answer = self.cold.source(credentials.exports())
        assert answer.status == 0, answer
        self._warm = WarmShell(self.cold, directory)

    def answer(self, command: str, *words: str, **variables: str | None) -> Answer:
        """Run a command, given without `openstack`, with more words; the variables are set for it only."""
        return self._warm.openstack(*shlex.split(command), *words, **variables)

    def do(self, command: str, **variables: str | None) -> None:
        """Run a command that must succeed without output."""
        answer = self.answer(command, **variables)
        assert (answer.status, answer.text) == (0, ""), answer

    def get(self, command: str, **variables: str | None) -> Any:
        """Run a command that must succeed; return its output: a mapping, or a list of them."""
        answer = self.answer(command, "-f", "json", **variables)
        assert (answer.status, answer.err) == (0, ""), answer
        return json.loads(answer.out)

    def fail(self, command: str, **variables: str | None) -> str:
        """Run a command that must exit with status 1; return its error text."""
        answer = self.answer(command, **variables)
        assert (answer.status, answer.out) == (1, ""), answer
        return answer.err

    def close(self) -> None:
        """End the client's process."""
        self._warm.close()


def expect(found: dict[str, Any], **values: Any) -> None:
    """Assert that the output has these values."""
    wrong = {name: (found.get(name), "not", value) for name, value in values.items() if found.get(name) != value}
    assert not wrong, wrong
