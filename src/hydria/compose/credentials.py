"""Secrets on disk: the first admin's `clouds.yaml`, the agent's secret, keys. Only their owner can read them."""

import base64
import re
import secrets
import shlex
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from hydria.errors import HostError, SettingsError
from hydria.files import make_directory, narrow, write_private
from hydria.settings import Settings

CLOUD = "hydria"

# Of the secret that agents are let in with, in characters.
_SHORTEST = 32

# Of a key of Fernet.
_KEY_BYTES = 32


class Credentials(Struct, frozen=True, kw_only=True):
    """What an OpenStack client needs to log in at the home cloud."""

    auth_url: str
    username: str
    password: str
    project_name: str
    region_name: str

    @classmethod
    def of(cls, settings: Settings, password: str) -> "Credentials":
        """Return the first admin's credentials."""
        return cls(
            auth_url=f"{settings.public_url}/identity/v3",
            username="admin",
            password=password,
            project_name="admin",
            region_name=settings.homecloud.region,
        )

    @classmethod
    def kept(cls, settings: Settings) -> "Credentials":
        """Return those of the first admin that were written down. Raises HydriaError where there are none."""
        if settings.keystone.auth_url is not None:
            place = f"{settings.keystone.auth_url} (keystone.auth_url)"
            raise SettingsError(f"Users are those of {place}: take your credentials from there.")
        return cls.read(settings.credentials_file)

    @classmethod
    def read(cls, file: Path) -> "Credentials":
        """Read them back. Raises HostError for a file that is not ours any more."""
        try:
            cloud = yaml.safe_load(file.read_text())["clouds"][CLOUD]
            auth = cloud["auth"]
            return cls(
                auth_url=auth["auth_url"],
                username=auth["username"],
                password=auth["password"],
                project_name=auth["project_name"],
                region_name=cloud["region_name"],
            )
        except FileNotFoundError:
            raise HostError(f"There are no credentials in {file} yet: start Hydria first (hydria up).") from None
        except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
            raise HostError(f"The credentials in {file} cannot be read: {error!r}.") from None

    def connection(self) -> dict[str, Any]:
        """Return what `openstack.connect` takes."""
        return {**self.clouds()["clouds"][CLOUD]}

    def clouds(self) -> dict[str, Any]:
        """Return the content of a `clouds.yaml`."""
        auth = {
            "auth_url": self.auth_url,
            "username": self.username,
            "password": self.password,
            "project_name": self.project_name,
            "user_domain_id": "default",
            "project_domain_id": "default",
        }
        cloud = {"auth": auth, "region_name": self.region_name, "identity_api_version": 3, "interface": "public"}
        return {"clouds": {CLOUD: cloud}}

    def write(self, file: Path) -> None:
        """Write them as a `clouds.yaml` of mode 0600; its directory is made."""
        make_directory(file.parent)
        write_private(file, yaml.safe_dump(self.clouds(), sort_keys=False).encode(), durable=True)

    def exports(self) -> str:
        """Return lines that a POSIX shell evaluates, `eval "$(hydria env)"`."""
        variables = {
            "OS_AUTH_TYPE": "password",
            "OS_AUTH_URL": self.auth_url,
            "OS_USERNAME": self.username,
            "OS_PASSWORD": self.password,
            "OS_PROJECT_NAME": self.project_name,
            "OS_USER_DOMAIN_ID": "default",
            "OS_PROJECT_DOMAIN_ID": "default",
            "OS_REGION_NAME": self.region_name,
            "OS_IDENTITY_API_VERSION": "3",
        }
        # Another cloud that the shell knows would win over these.
        return "\n".join(
            ["unset OS_CLOUD", *(f"export {key}={shlex.quote(value)}" for key, value in variables.items())]
        )


class Kept(Struct, frozen=True, kw_only=True):
    """A secret in a file of state_dir: `check` raises ValueError for what cannot be used, `renewed` says what making a
    new one means.
    """

    name: str
    check: Callable[[bytes], object]
    renewed: str


def _check_agent_secret(content: bytes) -> None:
    if len(content) < _SHORTEST or not re.fullmatch(rb"[!-~]+", content):
        raise ValueError(f"it has to be at least {_SHORTEST} printable characters without spaces")


def _check_key(content: bytes) -> None:
    # binascii.Error is a ValueError.
    if len(base64.b64decode(content, altchars=b"-_", validate=True)) != _KEY_BYTES:
        raise ValueError(f"it has to be {_KEY_BYTES} bytes in base64")


def _check_account_key(content: bytes) -> None:
    if not content.startswith(b"-----BEGIN ") or not content.endswith(b" PRIVATE KEY-----"):
        raise ValueError("it has to be a private key as PEM")


AGENT_SECRET = Kept(
    name="agent.secret", check=_check_agent_secret, renewed="agents on other hosts need a copy of the new one"
)
SECRETS_KEY = Kept(
    name="secrets.key", check=_check_key, renewed="the certificates and secrets that were stored are lost"
)
TOKEN_KEY = Kept(name="token.key", check=_check_key, renewed="everybody has to log in again")
ACCOUNT_KEY = Kept(
    name="acme-account.key", check=_check_account_key, renewed="it is a new account at the ACME authority"
)

HOST_ID = Kept(
    name="host.id",
    check=lambda content: uuid.UUID(content.decode()),
    renewed="this host is a new one to the server, so that what it serves has to be adopted (hydria orphan adopt)",
)


def agent_secret(settings: Settings) -> str:
    """Return what the server lets this machine's agent in with; it is made the first time. Raises HostError."""
    return kept_secret(settings, AGENT_SECRET, lambda: secrets.token_urlsafe(32).encode()).decode()


def kept_secret(settings: Settings, kind: Kept, make: Callable[[], bytes]) -> bytes:
    """Return a secret of state_dir; `make` makes it the first time.

    Raises HostError for one that is empty or damaged, as after a power cut: only its owner replaces it.
    """
    file = settings.state_dir / kind.name
    if not file.exists():
        make_directory(file.parent)
        write_private(file, make(), durable=True)
    return _read(file, kind)


def refuse_damaged(settings: Settings) -> None:
    """Raise HostError when one of the secrets that are there cannot be used."""
    for kind in (AGENT_SECRET, SECRETS_KEY, TOKEN_KEY, ACCOUNT_KEY):
        file = settings.state_dir / kind.name
        if file.exists():
            _read(file, kind)


def _read(file: Path, kind: Kept) -> bytes:
    narrow(file)
    content = file.read_bytes().strip()
    try:
        kind.check(content)
    except ValueError as error:
        raise HostError(
            f"{file} is {'damaged' if content else 'empty'}: {error}. Put it back from a backup. Without one remove it "
            f"and start again: a new one is made, and {kind.renewed}."
        ) from None
    return content
