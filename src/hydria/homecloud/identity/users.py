"""Users: create, read, list, change, delete, and everybody's own change of password."""

import uuid
from typing import Any

from msgspec import UNSET, Struct, structs, to_builtins

from hydria.errors import Invalid
from hydria.homecloud.identity.access import admin_or, further, merged, only_admin, same_domain, same_id, v3
from hydria.homecloud.identity.faults import duplicate, forbidden, missing, nobody
from hydria.homecloud.identity.forms import PasswordChange, UserCreate, UserUpdate
from hydria.homecloud.identity.limits import Attempt
from hydria.homecloud.identity.listing import listing, matching
from hydria.homecloud.identity.passwords import Passwords
from hydria.homecloud.identity.rows import ApplicationCredential, Assignment, User
from hydria.http.operation import Call, Operation, Preparation, Reply
from hydria.store import Transaction, columns


class Users:
    """What is done with users."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    def operations(self) -> tuple[Operation, ...]:
        one, many = "/v3/users/{id}", "/v3/users"
        return (
            Operation(method="GET", path=many, work=_list),
            Operation(
                method="POST", path=many, work=_create, form=UserCreate, root="user", status=201, prepare=self._hash
            ),
            Operation(method="GET", path=one, work=_get),
            Operation(method="PATCH", path=one, work=_update, form=UserUpdate, root="user", prepare=self._hash),
            Operation(method="DELETE", path=one, work=_delete),
            Operation(
                method="POST", path=f"{one}/password", work=_change_password, form=PasswordChange, root="user",
                status=204, open=True, prepare=self._check,
            ),
        )  # fmt: skip

    async def _hash(self, preparation: Preparation) -> str | None:
        """Return the hash of the password that an admin gives a user, if one is given."""
        password = preparation.form.password
        # Others are refused in a moment.
        if preparation.caller is None or not preparation.caller.is_admin or not isinstance(password, str):
            return None
        return await self._passwords.hashed(password, preparation.source)

    async def _check(self, preparation: Preparation) -> "_Change":
        """Check a user's old password and hash the new one: the old one says who asks, no token is needed."""
        form: PasswordChange = preparation.form
        key = preparation.path["id"]
        user = await preparation.read(lambda transaction: transaction.get(User, key))
        attempt = Attempt(user=key[:255], source=preparation.source)
        old = await self._passwords.check(form.original_password, user.password_hash if user else None, attempt)
        if old is None:
            raise nobody()
        return _Change(old=old.kept, new=await self._passwords.hashed(form.password, preparation.source))


class _Change(Struct, frozen=True, kw_only=True):
    """The hash that the old password was right for, and that of the new one."""

    old: str
    new: str


def body(call: Call, user: User) -> dict[str, Any]:
    """Return a user as clients see it."""
    default = {} if user.default_project_id is None else {"default_project_id": user.default_project_id}
    return {
        **user.extra,
        **default,
        "id": user.id,
        "name": user.name,
        "domain_id": user.domain_id,
        "enabled": user.enabled,
        "options": user.options,
        "password_expires_at": None,
        "links": {"self": v3(call, "users", user.id)},
    }


def existing(transaction: Transaction, key: str) -> User:
    """Return a user. Raises NotFound."""
    user = transaction.get(User, key)
    if user is None:
        raise missing("user", key)
    return user


def _list(call: Call) -> Any:
    only_admin(call, "list_users")
    return listing(call, "users", [body(call, user) for user in matching(call, User, ("name", "domain_id", "enabled"))])


def _get(call: Call) -> Any:
    admin_or(call, call.path["id"], "get_user")
    return {"user": body(call, existing(call.transaction, call.path["id"]))}


def _create(call: Call) -> Any:
    only_admin(call, "create_user")
    form: UserCreate = call.form
    same_domain(form.domain_id, "user")
    user = User(
        id=uuid.uuid4().hex,
        name=form.name,
        enabled=form.enabled is not False,
        default_project_id=form.default_project_id or None,
        password_hash=call.prepared,
        options=merged({}, to_builtins(form.options or {})),
        extra=further({}, _extra(form)),
    )
    _check_name(call.transaction, user)
    call.transaction.insert(user)
    return {"user": body(call, user)}


def _update(call: Call) -> Any:
    only_admin(call, "update_user")
    form: UserUpdate = call.form
    user = existing(call.transaction, call.path["id"])
    same_id("user", user, form.extra)
    if form.domain_id not in (UNSET, user.domain_id):
        raise Invalid("Cannot change Domain ID")
    names = ("name", "enabled", "default_project_id")
    values = {name: value for name in names if (value := getattr(form, name)) is not UNSET}
    if form.password is not UNSET:
        values["password_hash"] = call.prepared
    disabled = user.enabled and form.enabled is False
    if disabled or form.password is not UNSET:
        values["token_epoch"] = user.token_epoch + 1
    if disabled:
        call.transaction.delete(ApplicationCredential, columns(ApplicationCredential).user_id == user.id)
    changed = structs.replace(
        user,
        **values,
        options=merged(user.options, to_builtins(form.options or {})),
        extra=further(user.extra, _extra(form)),
    )
    _check_name(call.transaction, changed)
    call.transaction.update(changed)
    return {"user": body(call, changed)}


def _delete(call: Call) -> Reply:
    only_admin(call, "delete_user")
    user = existing(call.transaction, call.path["id"])
    for kind in (Assignment, ApplicationCredential):
        call.transaction.delete(kind, columns(kind).user_id == user.id)
    call.transaction.delete(User, columns(User).id == user.id)
    return Reply(status=204)


def _change_password(call: Call) -> Reply:
    change: _Change = call.prepared
    user = call.transaction.get(User, call.path["id"])
    # The password may have changed since it was checked.
    if user is None or user.password_hash != change.old or not user.enabled:
        raise nobody()
    if user.options.get("lock_password"):
        raise forbidden("identity:change_password")
    call.transaction.update(structs.replace(user, password_hash=change.new, token_epoch=user.token_epoch + 1))
    return Reply(status=204)


def _extra(form: UserCreate | UserUpdate) -> dict[str, Any]:
    return form.extra if form.description is UNSET else {**form.extra, "description": form.description}


def _check_name(transaction: Transaction, user: User) -> None:
    c = columns(User)
    if transaction.find(User, c.domain_id == user.domain_id, c.name == user.name, c.id != user.id):
        raise duplicate("user", user.name, user.domain_id)
