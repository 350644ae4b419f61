"""The stock `openstack` client, typed by a user, its answers read as JSON."""

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
    """The client as the first admin uses it. `close` it."""

    def __init__(self, credentials: Credentials, directory: Path) -> None:
        """`directory` is for a socket: its name must be short."""
        self.cold = Shell(Path(sys.executable).parent, os.environ)
        answer = self.cold.source(credentials.exports())
        assert answer.status == 0, answer
        self._warm = WarmShell(self.cold, directory)

    def answer(self, command: str, *words: str, **variables: str | None) -> Answer:
        """Type a command, without its first word, and more words; variables are set for it alone."""
        return self._warm.openstack(*shlex.split(command), *words, **variables)

    def do(self, command: str, **variables: str | None) -> None:
        """Type a command that must succeed and say nothing."""
        answer = self.answer(command, **variables)
        assert (answer.status, answer.text) == (0, ""), answer

    def get(self, command: str, **variables: str | None) -> Any:
        """Type a command that must succeed, and return what it shows: a mapping, or a list of them."""
        answer = self.answer(command, "-f", "json", **variables)
        assert (answer.status, answer.err) == (0, ""), answer
        return json.loads(answer.out)

    def fail(self, command: str, **variables: str | None) -> str:
        """Type a command that must fail with exit status 1, and return its complaint."""
        answer = self.answer(command, **variables)
        assert (answer.status, answer.out) == (1, ""), answer
        return answer.err

    def close(self) -> None:
        """End the process that the client runs in."""
        self._warm.close()


def expect(found: dict[str, Any], **values: Any) -> None:
    """Say which of these values is shown otherwise."""
    wrong = {name: (found.get(name), "not", value) for name, value in values.items() if found.get(name) != value}
    assert not wrong, wrong
