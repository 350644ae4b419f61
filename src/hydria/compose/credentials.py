"""Secrets in `state_dir`: the first admin's `clouds.yaml`, the agent's secret, keys. Only their owner can read them."""

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

# The minimum length of the agents' secret (characters).
_SHORTEST = 32

# The length of a Fernet key.
_KEY_BYTES = 32


class Credentials(Struct, frozen=True, kw_only=True):
    """The credentials of an OpenStack client for the home cloud."""

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
        """Return the first admin's credentials from `credentials_file`. Raises HydriaError when there are none."""
        if settings.keystone.auth_url is not None:
            url = f"{settings.keystone.auth_url} (keystone.auth_url)"
            raise SettingsError(f"The users are those of the Keystone at {url}: take your credentials from there.")
        return cls.read(settings.credentials_file)

    @classmethod
    def read(cls, file: Path) -> "Credentials":
        """Read credentials that `write` wrote. Raises HostError when the file is missing or has been changed."""
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
        """Return the arguments of `openstack.connect`."""
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
        """Write a `clouds.yaml` of mode 0600; make its directory when it is missing."""
        make_directory(file.parent)
        write_private(file, yaml.safe_dump(self.clouds(), sort_keys=False).encode(), durable=True)

    def exports(self) -> str:
        """Return lines for a POSIX shell: `eval "$(hydria env)"`."""
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
        # OS_CLOUD would override these variables.
        return "\n".join(
            ["unset OS_CLOUD", *(f"export {key}={shlex.quote(value)}" for key, value in variables.items())]
        )


class SecretFile(Struct, frozen=True, kw_only=True):
    """A secret in a file of `state_dir`.

    `check` raises ValueError for unusable content. `consequence` says what follows when a new secret is made.
    """

    name: str
    check: Callable[[bytes], object]
    consequence: str


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


AGENT_SECRET = SecretFile(
    name="agent.secret", check=_check_agent_secret, consequence="agents on other hosts need a copy of the new one"
)
SECRETS_KEY = SecretFile(
    name="secrets.key", check=_check_key, consequence="the certificates and secrets that were stored are lost"
)
TOKEN_KEY = SecretFile(name="token.key", check=_check_key, consequence="all users have to log in again")
ACCOUNT_KEY = SecretFile(
    name="acme-account.key", check=_check_account_key, consequence="it belongs to a new account at the ACME authority"
)

HOST_ID = SecretFile(
    name="host.id",
    check=lambda content: uuid.UUID(content.decode()),
    consequence="the server takes this host for a new one, so its amphorae have to be adopted (hydria orphan adopt)",
)


def agent_secret(settings: Settings) -> str:
    """Return the secret by which agents authenticate; make it the first time. Raises HostError."""
    return kept_secret(settings, AGENT_SECRET, lambda: secrets.token_urlsafe(32).encode()).decode()


def kept_secret(settings: Settings, kind: SecretFile, make: Callable[[], bytes]) -> bytes:
    """Return a secret of `state_dir`; `make` makes it the first time.

    Raises HostError for an empty or damaged file (after a power cut, say). Only the operator may replace it.
    """
    file = settings.state_dir / kind.name
    if not file.exists():
        make_directory(file.parent)
        write_private(file, make(), durable=True)
    return _read(file, kind)


def refuse_damaged(settings: Settings) -> None:
    """Raise HostError when an existing secret is damaged."""
    for kind in (AGENT_SECRET, SECRETS_KEY, TOKEN_KEY, ACCOUNT_KEY):
        file = settings.state_dir / kind.name
        if file.exists():
            _read(file, kind)


def _read(file: Path, kind: SecretFile) -> bytes:
    narrow(file)
    content = file.read_bytes().strip()
    try:
        kind.check(content)
    except ValueError as error:
        raise HostError(
            f"{file} is {'damaged' if content else 'empty'}: {error}. Restore it from a backup. Without a backup, "
            f"remove it and start again: a new one is made, and {kind.consequence}."
        ) from None
    return content
