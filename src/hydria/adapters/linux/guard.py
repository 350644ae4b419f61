"""Who may speak to an amphora's VIP: the rules of security groups in its namespace."""

from collections.abc import Collection
from pathlib import Path

from hydria.adapters.linux import nft
from hydria.adapters.linux.netns import identity
from hydria.errors import HostError
from hydria.files import write_private
from hydria.render.guard import render_guard
from hydria.spec import GuardRule


class Guard:
    """The rules of one namespace; costs nothing where nobody asks for any.

    `guard.nft` in the amphora's directory is there while there may be rules.
    """

    def __init__(self, namespace: str, directory: Path, link: str) -> None:
        self._namespace = namespace
        self._file = directory / "guard.nft"
        self._link = link
        # What was loaded, and into which namespace.
        self._loaded: tuple[tuple[int, int], str] | None = None

    def ensure(self, rules: tuple[GuardRule, ...] | None, ports: Collection[int]) -> None:
        """Let in what the rules say, everything without; the namespace is there. Raises HostError.

        `ports` are those on which the amphora takes connections of TCP.
        """
        if rules is None and not self._file.exists():
            return
        try:
            text = render_guard(rules, self._link, ports)
        except ValueError as error:
            raise HostError(f"A security group's rule cannot be kept: {error}.") from error
        wanted = identity(self._namespace), text
        if self._loaded == wanted:
            return
        self._loaded = None
        write_private(self._file, text.encode())
        nft.load(self._namespace, text)
        if rules is None:
            self._file.unlink()
        else:
            self._loaded = wanted
