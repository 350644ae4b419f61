"""The identity service: its operations, its authenticator, and its first rows."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from hydria.homecloud.identity import assignments, projects, users, versions
from hydria.homecloud.identity.access import PREFIX
from hydria.homecloud.identity.caller_cache import CachedCaller, CallerCache, invalidating
from hydria.homecloud.identity.catalogue import Catalogue
from hydria.homecloud.identity.credentials import Credentials
from hydria.homecloud.identity.dialect import KeystoneDialect
from hydria.homecloud.identity.login import Login
from hydria.homecloud.identity.passwords import Passwords, hashed, matches, member_password
from hydria.homecloud.identity.roles import ROLE
from hydria.homecloud.identity.rows import DOMAIN_ID, Assignment, Project, Role, User
from hydria.homecloud.identity.sessions import Sessions, forget_expired
from hydria.homecloud.identity.token_validation import valid_token
from hydria.homecloud.identity.tokens import TokenBox
from hydria.http.operation import Mount
from hydria.model.caller import Caller
from hydria.store import Database, Listener, Transaction, columns

# The built-in roles.
_ROLES = ("admin", "member", "reader", "service")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Identity:
    """Keystone's part of the home cloud."""

    def __init__(
        self,
        *,
        region: str,
        key: bytes,
        token_hours: int,
        passwords: Passwords,
        subscribe: Callable[[Listener], None],
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """`key` seals tokens (`new_key`), which are good for `token_hours`; `now` is the clock of `resolve`.

        `subscribe` is that of the database in which `resolve` looks.
        """
        self._box = TokenBox(key)
        self._now = now
        self._callers = CallerCache()
        subscribe(self._callers.heed)
        self._catalogue = Catalogue(region)
        self._passwords = passwords
        self._login = Login(self._box, self._passwords, token_hours)

    def mount(self) -> Mount:
        """Return all operations, below `/identity`."""
        operations = (
            *versions.operations(),
            *Sessions(self._box, self._login, self._catalogue).operations(),
            *self._catalogue.operations(),
            *projects.operations(),
            *users.Users(self._passwords).operations(),
            *Credentials(self._box, self._passwords).operations(),
            *ROLE.operations(),
            *assignments.operations(),
        )
        return Mount(prefixes=(PREFIX,), operations=tuple(map(invalidating, operations)), dialect=KeystoneDialect())

    async def prepare(self, token: str) -> str:
        """Return the token: its owner is looked up in the transaction."""
        return token

    def resolve(self, transaction: Transaction, prepared: str) -> Caller | None:
        """Return the owner of a token, or None for an unknown or invalid one."""
        now = self._now().timestamp()
        return self._callers.find(prepared, now, lambda: self._look(transaction, prepared, now))

    def _look(self, transaction: Transaction, token: str, now: float) -> CachedCaller | None:
        payload = self._box.open(token)
        valid = None if payload is None else valid_token(transaction, payload, now)
        if valid is None:
            return None
        caller = Caller(
            user_id=valid.user_id,
            project_id=valid.project_id,
            roles=valid.roles,
            user_name=valid.user_name,
            project_name=valid.project_name,
        )
        return CachedCaller(caller=caller, until=valid.until)

    def bootstrap(self, transaction: Transaction, now: datetime, password: str) -> str:
        """Make what is missing of the first things; returns the id of the project `admin`.

        They are the roles, the project `admin` and its user of that name with the role admin and this password. In an
        empty database also the project `demo`, whose user has the role member and `member_password(password)`. What is
        there stays as it is, passwords included.
        """
        forget_expired(transaction, int(now.timestamp()))
        role_ids = {name: _role(transaction, name) for name in _ROLES}
        # `demo` is made once only: an operator may have deleted it.
        if not transaction.find(User):
            _tenant(transaction, "demo", role_ids["member"], member_password(password))
        return _tenant(transaction, "admin", role_ids["admin"], password)

    def expect(self, database: Database, password: str) -> None:
        """Exempt this password of the user `admin`, if it is still right, from the limits of wrong passwords."""
        u = columns(User)
        found = database.read(lambda transaction: transaction.find(User, u.domain_id == DOMAIN_ID, u.name == "admin"))
        for kept in (user.password_hash for user in found):
            if kept is not None and matches(password, kept):
                self._passwords.remember(password, kept)


def restore_project(transaction: Transaction, project_id: str) -> None:
    """Make a project of this id, which a lost database had, if there is none; the user `admin` may work in it."""
    if transaction.get(Project, project_id) is not None:
        return
    transaction.insert(Project(id=project_id, name=f"restored-{project_id}"))
    u, a = columns(User), columns(Assignment)
    role_id = _role(transaction, "admin")
    for user in transaction.find(User, u.domain_id == DOMAIN_ID, u.name == "admin"):
        mine = (a.user_id == user.id) & (a.project_id == project_id) & (a.role_id == role_id)
        if not transaction.find(Assignment, mine):
            transaction.insert(Assignment(user_id=user.id, project_id=project_id, role_id=role_id))


def _role(transaction: Transaction, name: str) -> str:
    found = transaction.get(Role, name, column="name")
    if found is None:
        found = Role(id=uuid.uuid4().hex, name=name, options={"immutable": True})
        transaction.insert(found)
    return found.id


def _tenant(transaction: Transaction, name: str, role_id: str, password: str) -> str:
    """Make a project and its user where they are missing; returns the project's id."""
    p, u = columns(Project), columns(User)
    project = next(iter(transaction.find(Project, p.domain_id == DOMAIN_ID, p.name == name)), None)
    user = next(iter(transaction.find(User, u.domain_id == DOMAIN_ID, u.name == name)), None)
    if project is not None and user is not None:
        return project.id
    if project is None:
        project = Project(id=uuid.uuid4().hex, name=name)
        transaction.insert(project)
    if user is None:
        user = User(id=uuid.uuid4().hex, name=name, password_hash=hashed(password), default_project_id=project.id)
        transaction.insert(user)
    a = columns(Assignment)
    granted = (a.user_id == user.id) & (a.project_id == project.id) & (a.role_id == role_id)
    if not transaction.find(Assignment, granted):
        transaction.insert(Assignment(user_id=user.id, project_id=project.id, role_id=role_id))
    return project.id
