"""Application credentials: a user makes them for programs, with some of its roles in one project."""

import uuid
from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET

from hydria.errors import Invalid, Refusal, Unsupported
from hydria.homecloud.identity.access import admin_or, v3
from hydria.homecloud.identity.faults import bad_timestamp, duplicate, forbidden, missing, past_expiry
from hydria.homecloud.identity.forms import CredentialCreate, RoleRef
from hydria.homecloud.identity.listing import listing, matching
from hydria.homecloud.identity.passwords import Passwords, new_secret
from hydria.homecloud.identity.rows import ApplicationCredential, Role
from hydria.homecloud.identity.token_validation import with_implied
from hydria.homecloud.identity.tokens import TokenBox
from hydria.homecloud.identity.users import USER
from hydria.http.operation import Call, Operation, Preparation, Reply
from hydria.store import columns
from hydria.times import from_text, precise_stamp


class Credentials:
    """The operations on application credentials."""

    def __init__(self, box: TokenBox, passwords: Passwords) -> None:
        """`box` opens the caller's token, which says how the caller logged in."""
        self._box = box
        self._passwords = passwords

    def operations(self) -> tuple[Operation, ...]:
        many = "/v3/users/{user_id}/application_credentials"
        one = many + "/{id}"
        root = "application_credential"
        return (
            Operation(method="GET", path=many, work=_list),
            Operation(
                method="POST", path=many, work=self._create, form=CredentialCreate, root=root, status=201,
                prepare=self._hash,
            ),
            Operation(method="GET", path=one, work=_get),
            Operation(method="DELETE", path=one, work=self._delete),
        )  # fmt: skip

    async def _hash(self, preparation: Preparation) -> tuple[str, str]:
        """Return the new credential's secret and its hash."""
        secret = preparation.form.secret or new_secret()
        return secret, await self._passwords.hashed(secret, preparation.source)

    def _create(self, call: Call) -> Any:
        form: CredentialCreate = call.form
        caller = call.caller
        self._check_login(call)
        if call.path["user_id"] != caller.user_id:
            raise forbidden("Cannot create an application credential for another user.")
        if caller.project_id is None:
            raise _invalid("A project-scoped token is required to create an application credential")
        if form.access_rules:
            raise Unsupported("The action you have requested has not been implemented: access_rules.")
        secret, secret_hash = call.prepared
        credential = ApplicationCredential(
            id=uuid.uuid4().hex,
            user_id=caller.user_id,
            project_id=caller.project_id,
            name=form.name,
            description=None if form.description is UNSET else form.description,
            secret_hash=secret_hash,
            expires_at=_moment(form.expires_at, call.time) if form.expires_at else None,
            unrestricted=form.unrestricted is True,
            role_ids=_role_ids(call, form.roles or []),
        )
        c = columns(ApplicationCredential)
        if call.transaction.find(ApplicationCredential, c.user_id == caller.user_id, c.name == form.name):
            raise duplicate("application_credential", form.name)
        call.transaction.insert(credential)
        return {"application_credential": {**_body(call, credential), "secret": secret}}

    def _delete(self, call: Call) -> Reply:
        admin_or(call, call.path["user_id"], "delete_application_credential")
        self._check_login(call)
        credential = _existing(call)
        call.transaction.delete(ApplicationCredential, columns(ApplicationCredential).id == credential.id)
        return Reply(status=204)

    def _check_login(self, call: Call) -> None:
        """Refuse callers who logged in with a restricted credential: it may not make or delete others."""
        payload = self._box.open(call.headers["x-auth-token"])
        if payload is None or payload.credential_id is None:
            return
        own = call.transaction.get(ApplicationCredential, payload.credential_id)
        if own is None or not own.unrestricted:
            raise forbidden(
                "Using method 'application_credential' is not allowed for managing additional application credentials."
            )


def _list(call: Call) -> Any:
    user_id = call.path["user_id"]
    admin_or(call, user_id, "list_application_credentials")
    USER.existing(call.transaction, user_id)
    found = matching(call, ApplicationCredential, ("name",), columns(ApplicationCredential).user_id == user_id)
    return listing(call, "application_credentials", [_body(call, each) for each in found])


def _get(call: Call) -> Any:
    admin_or(call, call.path["user_id"], "get_application_credential")
    return {"application_credential": _body(call, _existing(call))}


def _existing(call: Call) -> ApplicationCredential:
    found = call.transaction.get(ApplicationCredential, call.path["id"])
    if found is None or found.user_id != call.path["user_id"]:
        raise missing("Application Credential", call.path["id"])
    return found


def _body(call: Call, credential: ApplicationCredential) -> dict[str, Any]:
    ends = credential.expires_at
    roles = call.transaction.find(Role, columns(Role).id.in_(credential.role_ids), order_by=(columns(Role).name,))
    return {
        "id": credential.id,
        "name": credential.name,
        "description": credential.description,
        "project_id": credential.project_id,
        "user_id": credential.user_id,
        "roles": [{"id": role.id, "name": role.name, "domain_id": None} for role in roles],
        "expires_at": None if ends is None else precise_stamp(datetime.fromtimestamp(ends, UTC)),
        "unrestricted": credential.unrestricted,
        "links": {"self": v3(call, "users", credential.user_id, "application_credentials", credential.id)},
    }


def _role_ids(call: Call, asked: list[RoleRef]) -> tuple[str, ...]:
    """Return the ids of the roles asked for, or of all that the caller's token has."""
    roles = call.transaction.find(Role)
    mine = with_implied(call.caller.roles)
    if not asked:
        return tuple(role.id for role in roles if role.name in mine)
    found: list[str] = []
    for ref in asked:
        if (ref.id is UNSET) == (ref.name is UNSET):
            raise _invalid("a role is named by its id or by its name")
        role = next((role for role in roles if ref.id == role.id or ref.name == role.name), None)
        if role is None:
            raise missing("role", str(ref.id or ref.name))
        if role.name not in mine:
            raise _invalid("Cannot create an application credential with unassigned role")
        found.append(role.id)
    return tuple(dict.fromkeys(found))


def _moment(text: str, now: datetime) -> float:
    try:
        moment = from_text(text)
    except ValueError:
        raise bad_timestamp() from None
    if moment <= now:
        raise past_expiry()
    return moment.timestamp()


def _invalid(detail: str) -> Refusal:
    return Invalid(f"Invalid application credential: {detail}")
