"""The stored things of the identity service: one struct for each table, whose names begin with `identity_`."""

from typing import Any

from msgspec import Struct

from hydria.store import register

# There is this one domain; it needs no row.
DOMAIN_ID = "default"
DOMAIN_NAME = "Default"


class Project(Struct, frozen=True, kw_only=True):
    """A tenant. `extra` are attributes that Keystone does not know and keeps; `parent_id` is the domain at the top."""

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
    """Somebody who can log in. A token is refused when its `token_epoch` is not the user's any more."""

    id: str
    name: str
    enabled: bool = True
    domain_id: str = DOMAIN_ID
    default_project_id: str | None = None
    # An argon2id hash; None cannot log in with a password.
    password_hash: str | None = None
    token_epoch: int = 1
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


class Role(Struct, frozen=True, kw_only=True):
    """What somebody may be in a project."""

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
    """A password of a program: some roles of a user in one project. `expires_at` is UTC, seconds since the epoch."""

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
    """A token that was given back, by its audit id; kept until the token would have expired (UTC, seconds)."""

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
