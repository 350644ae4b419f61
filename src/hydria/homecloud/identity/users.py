"""Users, and the change of one's own password."""

from typing import Any

from msgspec import UNSET, Struct, structs

from hydria.errors import Invalid
from hydria.homecloud.identity.access import admin_or, same_domain
from hydria.homecloud.identity.collection import Kind, given
from hydria.homecloud.identity.faults import duplicate, forbidden, unauthenticated
from hydria.homecloud.identity.forms import PasswordChange, UserCreate, UserUpdate
from hydria.homecloud.identity.limits import Attempt
from hydria.homecloud.identity.passwords import Passwords
from hydria.homecloud.identity.rows import ApplicationCredential, Assignment, User
from hydria.http.operation import Call, Operation, Preparation, Reply
from hydria.store import columns


class Users:
    """The operations on users."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    def operations(self) -> tuple[Operation, ...]:
        return (
            *USER.operations(prepare=self._hash),
            Operation(
                method="POST", path="/v3/users/{id}/password", work=_change_password, form=PasswordChange, root="user",
                status=204, open=True, prepare=self._check,
            ),
        )  # fmt: skip

    async def _hash(self, preparation: Preparation) -> str | None:
        """Return the hash of the password that an admin gives a user, if one is given."""
        password = preparation.form.password
        # The transaction refuses other callers.
        if preparation.caller is None or not preparation.caller.is_admin or not isinstance(password, str):
            return None
        return await self._passwords.hashed(password, preparation.source)

    async def _check(self, preparation: Preparation) -> "_Change":
        """Check a user's old password, which stands for a token here, and hash the new one."""
        form: PasswordChange = preparation.form
        key = preparation.path["id"]
        user = await preparation.read(lambda transaction: transaction.get(User, key))
        attempt = Attempt(user=key[:255], source=preparation.source)
        old = await self._passwords.check(form.original_password, user.password_hash if user else None, attempt)
        if old is None:
            raise unauthenticated()
        return _Change(old=old.kept, new=await self._passwords.hashed(form.password, preparation.source))


class _Change(Struct, frozen=True, kw_only=True):
    """The hash that the old password matches, and the hash of the new one."""

    old: str
    new: str


def _values(call: Call, form: UserUpdate, before: User | None) -> dict[str, Any]:
    values = given(form, User)
    if before is None:
        same_domain(form.domain_id, "user")
        return values | {"default_project_id": form.default_project_id or None, "password_hash": call.prepared}
    if form.domain_id not in (UNSET, before.domain_id):
        raise Invalid("Cannot change Domain ID")
    if form.password is not UNSET:
        values["password_hash"] = call.prepared
    disabled = before.enabled and form.enabled is False
    if disabled or form.password is not UNSET:
        values["token_epoch"] = before.token_epoch + 1
    if disabled:
        call.transaction.delete(ApplicationCredential, columns(ApplicationCredential).user_id == before.id)
    return values


def _leave(call: Call, user: User) -> None:
    for kind in (Assignment, ApplicationCredential):
        call.transaction.delete(kind, columns(kind).user_id == user.id)


def _kept(form: UserUpdate) -> dict[str, Any]:
    return form.extra if form.description is UNSET else {**form.extra, "description": form.description}


def _change_password(call: Call) -> Reply:
    change: _Change = call.prepared
    user = call.transaction.get(User, call.path["id"])
    # The password may have changed since it was checked.
    if user is None or user.password_hash != change.old or not user.enabled:
        raise unauthenticated()
    if user.options.get("lock_password"):
        raise forbidden("identity:change_password")
    call.transaction.update(structs.replace(user, password_hash=change.new, token_epoch=user.token_epoch + 1))
    return Reply(status=204)


USER = Kind(
    name="user",
    plural="users",
    row=User,
    create=UserCreate,
    update=UserUpdate,
    filters=("name", "domain_id", "enabled"),
    values=_values,
    taken=lambda user, _: duplicate("user", user.name, user.domain_id),
    leave=_leave,
    may_show=lambda call: admin_or(call, call.path["id"], "get_user"),
    kept=_kept,
    hidden=frozenset({"password_hash", "token_epoch"}),
    always={"password_expires_at": None},
)
