"""What a host keeps of its joining: its own secret, the authority that it trusts, and the servers."""

import ssl
from pathlib import Path

import msgspec
from msgspec import Struct

from hydria.errors import HostError
from hydria.files import make_directory, narrow, write_private

NAME = "membership.json"


class Membership(Struct, frozen=True, kw_only=True):
    """`authority` is the certificate of the servers' authority as PEM, `servers` are URLs."""

    secret: str
    authority: str
    servers: tuple[str, ...]
    zone: str = ""

    def write(self, state_dir: Path) -> None:
        """Write it to a file that only its owner can read."""
        make_directory(state_dir)
        write_private(state_dir / NAME, msgspec.json.encode(self), durable=True)

    def context(self) -> ssl.SSLContext:
        """Return what trusts the servers of this authority, and nothing else."""
        context = ssl.create_default_context(cadata=self.authority)
        # The authority signs nothing but servers of its database, whose addresses may change.
        context.check_hostname = False
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context


def membership(state_dir: Path) -> Membership | None:
    """Return the membership of this host, None if it has not joined. Raises HostError for a damaged file."""
    file = state_dir / NAME
    narrow(file)
    try:
        return msgspec.json.decode(file.read_bytes(), type=Membership)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise HostError(f"{file} cannot be read: {error}. Let this host join anew: hydria host invite") from None
