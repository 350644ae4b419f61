"""Secrets on disk: the first admin's `clouds.yaml`, the agent's secret, keys. Only their owner can read them."""

import secrets
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from hydria.errors import HostError, SettingsError
from hydria.files import write_private
from hydria.settings import Settings

CLOUD = "hydria"


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
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(file, yaml.safe_dump(self.clouds(), sort_keys=False).encode())

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


def agent_secret(settings: Settings) -> str:
    """Return what the server lets this machine's agent in with; it is made the first time."""
    return kept_secret(settings.agent_secret_file, lambda: secrets.token_urlsafe(32).encode()).decode()


def kept_secret(file: Path, make: Callable[[], bytes]) -> bytes:
    """Return the content of a file that only its owner can read; `make` makes it the first time."""
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(file, make())
    return file.read_bytes()
