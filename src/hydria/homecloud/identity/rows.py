"""The rows of the identity service: one struct for each table. The tables' names begin with `identity_`."""

from typing import Any

from msgspec import Struct

from hydria.store import register

# The only domain. It has no row.
DOMAIN_ID = "default"
DOMAIN_NAME = "Default"


class Project(Struct, frozen=True, kw_only=True):
    """A tenant. `extra` has attributes that Keystone does not know; the `parent_id` of a top project is the domain."""

    id: str
    name: str
    description: str = ""
    enabled: bool = True
    domain_id: str = DOMAIN_ID
    parent_id: str = DOMAIN_ID
    tags: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


class User(Struct, frozen=True, kw_only=True):
    """A user. A token is refused when its `token_epoch` differs from the user's."""

    id: str
    name: str
    enabled: bool = True
    domain_id: str = DOMAIN_ID
    default_project_id: str | None = None
    # An argon2id hash; a user with None cannot log in with a password.
    password_hash: str | None = None
    token_epoch: int = 1
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


class Role(Struct, frozen=True, kw_only=True):
    """A role."""

    id: str
    name: str
    description: str | None = None
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


class Assignment(Struct, frozen=True, kw_only=True):
    """A user has a role in a project."""

    user_id: str
    project_id: str
    role_id: str


class ApplicationCredential(Struct, frozen=True, kw_only=True):
    """An application credential: some roles of a user in one project. `expires_at` is UTC, seconds since the epoch."""

    id: str
    user_id: str
    project_id: str
    name: str
    description: str | None = None
    secret_hash: str
    expires_at: float | None = None
    unrestricted: bool = False
    role_ids: tuple[str, ...]


class Revocation(Struct, frozen=True, kw_only=True):
    """A revoked token, by its audit id; kept until the token would have expired (UTC, seconds)."""

    id: str
    expires_at: int


register(Project, "identity_projects", unique=(("domain_id", "name"),), index=(("parent_id",),))
register(User, "identity_users", unique=(("domain_id", "name"),), index=(("default_project_id",),))
register(Role, "identity_roles", unique=(("name",),))
register(
    Assignment,
    "identity_assignments",
    key=("user_id", "project_id", "role_id"),
    index=(("project_id",), ("role_id",)),
)
register(
    ApplicationCredential,
    "identity_application_credentials",
    unique=(("user_id", "name"),),
    index=(("project_id",),),
)
register(Revocation, "identity_revocations", index=(("expires_at",),))
