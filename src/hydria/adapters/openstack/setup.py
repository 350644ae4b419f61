"""What Hydria needs in a Keystone, made by an admin: user, roles, service, endpoints.

It uses openstacksdk, because an admin's credentials are in `clouds.yaml`, with all kinds of logins that it knows
(application credentials, tokens, federation, secure.yaml). Hydria's own requests have one user and need no such thing.
"""

import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import openstack
from keystoneauth1.exceptions import ClientException
from msgspec import Struct
from openstack.exceptions import ConfigException, ForbiddenException, SDKException

from hydria.errors import SettingsError, Unavailable
from hydria.settings import Settings

_SERVICE = "load-balancer"
_PATH = "/load-balancer"
# The roles of Octavia's own user: `service` validates tokens, `admin` makes and binds ports in users' projects.
_ROLES = ("service", "admin")
# The roles that the policy names with api.legacy_roles, for an admin to give to users.
_USERS_ROLES = (
    "load-balancer_member",
    "load-balancer_observer",
    "load-balancer_global_observer",
    "load-balancer_quota_admin",
    "load-balancer_admin",
)
_INTERFACES = ("public", "internal")

Say = Callable[[str], object]


class Cloud(Struct, frozen=True):
    """A cloud of `clouds.yaml`: openstacksdk's proxy of its Keystone, Keystone's URL, the region if one is named."""

    identity: Any
    auth_url: str
    region: str | None


class Wanted(Struct, frozen=True, kw_only=True):
    """The names of what is to be there. Domains are ids. `password` is None to have one made for a new user."""

    auth_url: str
    username: str
    user_domain: str
    password: str | None
    project: str
    project_domain: str
    region: str | None
    url: str

    @classmethod
    def of(cls, settings: Settings, auth_url: str, region: str | None, url: str | None) -> "Wanted":
        """Return what the settings say, with Keystone's URL and the region of the admin's cloud where they say nothing.

        Raises SettingsError when no URL is known that clients can reach.
        """
        chosen = settings.keystone
        if url is None:
            if settings.server.public_url is None:
                raise SettingsError(
                    "Clients need a URL by which they reach this server. Name it: --url http://SERVER:9876/load-balancer"
                )
            url = settings.public_url + _PATH
        if not url.startswith(("http://", "https://")):
            raise SettingsError(f"--url {url} is no URL, such as http://SERVER:9876/load-balancer")
        return cls(
            auth_url=chosen.auth_url or auth_url,
            username=chosen.username,
            user_domain=chosen.user_domain_id,
            password=chosen.password,
            project=chosen.project_name,
            project_domain=chosen.project_domain_id,
            region=region or chosen.region,
            url=url.rstrip("/"),
        )


class Made(Struct, frozen=True):
    """The region of the endpoints, and the password of the user if it was made now and at random."""

    region: str
    password: str | None


def connect(cloud: str | None, region: str | None) -> Cloud:
    """Return an admin's cloud: its name is in `clouds.yaml`, or the environment has it all.

    Raises SettingsError, and Unavailable with the sentence of openstacksdk.
    """
    with _saying("The cloud cannot be used"):
        try:
            found = openstack.connect(cloud=cloud, region_name=region, app_name="hydria")
        except ConfigException as error:
            raise SettingsError(f"{error} Name a cloud of an admin in clouds.yaml: --os-cloud CLOUD") from error
        auth_url = str(found.config.get_auth_args().get("auth_url") or "")
        return Cloud(found.identity, auth_url, region or found.config.get_region_name() or None)


def set_up(identity: Any, wanted: Wanted, say: Say) -> Made:
    """Make what is missing, and change nothing that is there; may run again after a failure in the middle.

    `identity` is openstacksdk's proxy; `say` gets a line for each object. Raises SettingsError, and Unavailable with
    Keystone's sentence.
    """
    with _saying("Keystone refuses"):
        region = _region(identity, wanted)
        maker = _Maker(identity, say)
        project = maker.project(wanted)
        roles = [maker.role(name) for name in (*_ROLES, *_USERS_ROLES)]
        maker.endpoints(maker.service(), region, wanted.url)
        # Nearly at the end, because its password is told once.
        user, password = maker.user(wanted)
        for role in roles[: len(_ROLES)]:
            maker.grant(project, user, role)
    return Made(region, password)


def settings_text(wanted: Wanted, made: Made) -> str:
    """Return the settings of the server in TOML."""
    values = {
        "auth_url": wanted.auth_url,
        "username": wanted.username,
        "password": made.password,
        "user_domain_id": wanted.user_domain,
        "project_name": wanted.project,
        "project_domain_id": wanted.project_domain,
        "region": made.region,
    }
    # A string of JSON is one of TOML.
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if value is not None]
    if made.password is None:
        lines.insert(2, '# password = "…"   # as it is; or by the environment: HYDRIA_KEYSTONE_PASSWORD')
    return "\n".join(["[keystone]", *lines, "[network]", 'type = "neutron"'])


class _Maker:
    """Makes one object after the other, and says what it did."""

    def __init__(self, identity: Any, say: Say) -> None:
        self._identity = identity
        self._say = say

    def project(self, wanted: Wanted) -> Any:
        found = _first(self._identity.projects(name=wanted.project, domain_id=wanted.project_domain))
        if found is None:
            found = self._identity.create_project(name=wanted.project, domain_id=wanted.project_domain)
            return self._made(f"project {wanted.project}", found)
        return self._there(f"project {wanted.project}", found)

    def user(self, wanted: Wanted) -> tuple[Any, str | None]:
        """Return the user, and the password that it was made with."""
        found = _first(self._identity.users(name=wanted.username, domain_id=wanted.user_domain))
        if found is not None:
            if wanted.password is None:
                command = f"openstack user set --password-prompt {found.id}"
                self._say(f"The password of {wanted.username} is not known here. To set a new one: {command}")
            return self._there(f"user {wanted.username}", found), None
        password = wanted.password or secrets.token_urlsafe(24)
        about = "Hydria, load balancing as a service"
        found = self._identity.create_user(
            name=wanted.username, domain_id=wanted.user_domain, password=password, description=about
        )
        return self._made(f"user {wanted.username}", found), None if wanted.password else password

    def role(self, name: str) -> Any:
        found = _first(self._identity.roles(name=name))
        if found is None:
            return self._made(f"role {name}", self._identity.create_role(name=name))
        return self._there(f"role {name}", found)

    def grant(self, project: Any, user: Any, role: Any) -> None:
        words = f"role {role.name} of {user.name} in {project.name}"
        if self._identity.validate_user_has_project_role(project, user, role):
            self._there(words, role)
            return
        self._identity.assign_project_role_to_user(project, user, role)
        self._made(words, role)

    def service(self) -> Any:
        found = list(self._identity.services(type=_SERVICE))
        if not found:
            made = self._identity.create_service(name="hydria", type=_SERVICE, description="Load balancing by Hydria")
            return self._made(f"service hydria of type {_SERVICE}", made)
        chosen = next((each for each in found if each.name == "hydria"), found[0])
        return self._there(f"service {chosen.name} of type {_SERVICE}", chosen)

    def endpoints(self, service: Any, region: str, url: str) -> None:
        for interface in _INTERFACES:
            query = {"service_id": service.id, "interface": interface, "region_id": region}
            found = _first(self._identity.endpoints(**query))
            words = f"{interface} endpoint in {region}: {url}"
            if found is None:
                self._made(words, self._identity.create_endpoint(**query, url=url))
            elif found.url.rstrip("/") == url:
                self._there(words, found)
            else:
                self._say(
                    f"differs: the {interface} endpoint of {service.name} in {region} is {found.url}, and was not"
                    f" changed. To send users to Hydria: openstack endpoint set --url {url} {found.id}"
                )

    def _made(self, what: str, found: Any) -> Any:
        self._say(f"made: {what}")
        return found

    def _there(self, what: str, found: Any) -> Any:
        self._say(f"there: {what}")
        return found


def _first(found: Iterable[Any]) -> Any:
    """Return the only object of a query, or None."""
    return next(iter(found), None)


def _region(identity: Any, wanted: Wanted) -> str:
    names = [str(each.id) for each in identity.regions()]
    if wanted.region is None and len(names) == 1:
        return names[0]
    if wanted.region not in names:
        what = "Name the region: --region REGION" if wanted.region is None else f"{wanted.region} is none of them."
        raise SettingsError(f"Keystone has the regions {', '.join(names) or '(none)'}. {what}")
    return wanted.region


@contextmanager
def _saying(what: str) -> Iterator[None]:
    """Turn the exceptions of openstacksdk into SettingsError and Unavailable, with their sentences."""
    try:
        yield
    except ForbiddenException as error:
        raise SettingsError(f"{what}: {error} Name a cloud whose user is an admin: --os-cloud CLOUD") from error
    except (SDKException, ClientException) as error:
        raise Unavailable(f"{what}: {error}") from error
