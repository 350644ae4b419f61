"""The wire forms of the identity service. Types are strict; a form with `extra` keeps unknown attributes."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

_Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"[\S]+")]
_ProjectName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"[\S]+")]
_Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9-]+$")]
_Tags = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^,/]*$")], ...], Meta(max_length=80)
]


class DomainRef(Struct, frozen=True, kw_only=True):
    """A domain by id or by name."""

    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


class UserRef(Struct, frozen=True, kw_only=True):
    """A user by id, or by name and domain."""

    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    domain: DomainRef | UnsetType = UNSET
    password: str | UnsetType = UNSET


class PasswordMethod(Struct, frozen=True, kw_only=True):
    """The user of a login with a password."""

    user: UserRef | UnsetType = UNSET


class TokenMethod(Struct, frozen=True, kw_only=True):
    """The token of a login by token."""

    id: str


class CredentialMethod(Struct, frozen=True, kw_only=True):
    """An application credential by id, or by name and user."""

    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    user: UserRef | UnsetType = UNSET
    secret: str | UnsetType = UNSET


class Proof(Struct, frozen=True, kw_only=True):
    """Keystone's `identity`: the methods of a login and their data."""

    methods: list[str]
    password: PasswordMethod | UnsetType = UNSET
    token: TokenMethod | UnsetType = UNSET
    application_credential: CredentialMethod | UnsetType = UNSET


class ProjectRef(Struct, frozen=True, kw_only=True):
    """A project by id, or by name and domain."""

    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    domain: DomainRef | UnsetType = UNSET


class Scope(Struct, frozen=True, kw_only=True):
    """The scope of a requested token: exactly one of these."""

    project: ProjectRef | UnsetType = UNSET
    domain: DomainRef | UnsetType = UNSET
    system: dict[str, Any] | UnsetType = UNSET
    trust: dict[str, Any] | UnsetType = field(default=UNSET, name="OS-TRUST:trust")
    unscoped: dict[str, Any] | UnsetType = UNSET


class Auth(Struct, frozen=True, kw_only=True):
    """A login."""

    identity: Proof
    scope: Scope | str | None | UnsetType = UNSET


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a project or role."""

    immutable: bool | None | UnsetType = UNSET


class UserOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a user. Passwords never expire and accounts are never locked here, so most change nothing."""

    lock_password: bool | None | UnsetType = UNSET
    ignore_password_expiry: bool | None | UnsetType = UNSET
    ignore_change_password_upon_first_use: bool | None | UnsetType = UNSET
    ignore_lockout_failure_attempts: bool | None | UnsetType = UNSET
    ignore_user_inactivity: bool | None | UnsetType = UNSET


class ProjectUpdate(Struct, frozen=True, kw_only=True):
    """A change of a project."""

    name: _ProjectName | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    domain_id: _Id | None | UnsetType = UNSET
    parent_id: _Id | None | UnsetType = UNSET
    is_domain: bool | UnsetType = UNSET
    tags: _Tags | UnsetType = UNSET
    options: Options | UnsetType = UNSET
    extra: dict[str, Any] = {}


class ProjectCreate(ProjectUpdate, frozen=True, kw_only=True):
    """A new project."""

    name: _ProjectName


class UserUpdate(Struct, frozen=True, kw_only=True):
    """A change of a user."""

    name: _Name | UnsetType = UNSET
    password: str | None | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    domain_id: _Id | UnsetType = UNSET
    default_project_id: _Id | None | UnsetType = UNSET
    options: UserOptions | UnsetType = UNSET
    extra: dict[str, Any] = {}


class UserCreate(UserUpdate, frozen=True, kw_only=True):
    """A new user."""

    name: _Name


class PasswordChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's own change of password."""

    original_password: str
    password: str


class RoleUpdate(Struct, frozen=True, kw_only=True):
    """A change of a role."""

    name: _Name | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    domain_id: _Id | None | UnsetType = UNSET
    options: Options | UnsetType = UNSET
    extra: dict[str, Any] = {}


class RoleCreate(RoleUpdate, frozen=True, kw_only=True):
    """A new role."""

    name: _Name


class RoleRef(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role by id or by name."""

    id: _Id | UnsetType = UNSET
    name: _Name | UnsetType = UNSET


class CredentialCreate(Struct, frozen=True, kw_only=True):
    """A new application credential. `expires_at` is ISO 8601, UTC where it has no zone."""

    name: _Name
    description: str | None | UnsetType = UNSET
    secret: str | None | UnsetType = UNSET
    expires_at: str | None | UnsetType = UNSET
    roles: list[RoleRef] | UnsetType = UNSET
    unrestricted: bool | UnsetType = UNSET
    access_rules: list[dict[str, Any]] | UnsetType = UNSET
