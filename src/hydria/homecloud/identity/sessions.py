"""Tokens over HTTP: issue, validate, revoke; and the catalogue of a token's owner."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from hydria.errors import Forbidden, NotFound
from hydria.homecloud.identity.access import DOMAIN, admin_or
from hydria.homecloud.identity.catalogue import Catalogue
from hydria.homecloud.identity.faults import unauthenticated
from hydria.homecloud.identity.forms import Auth
from hydria.homecloud.identity.listing import listing
from hydria.homecloud.identity.login import Login
from hydria.homecloud.identity.rows import Revocation, Role
from hydria.homecloud.identity.token_validation import ValidToken, valid_token
from hydria.homecloud.identity.tokens import Payload, TokenBox
from hydria.http.operation import Call, Operation, Reply
from hydria.store import Transaction, columns
from hydria.times import precise_zoned_stamp


class Sessions:
    """The operations on tokens."""

    def __init__(self, box: TokenBox, login: Login, catalogue: Catalogue) -> None:
        self._box = box
        self._login = login
        self._catalogue = catalogue

    def operations(self) -> tuple[Operation, ...]:
        path = "/v3/auth/tokens"
        issue = Operation(
            method="POST", path=path, work=self._issue, form=Auth, root="auth", status=201, open=True, writes=False,
            prepare=self._login.check,
        )  # fmt: skip
        return (
            issue,
            Operation(method="GET", path=path, work=self._show),
            Operation(method="DELETE", path=path, work=self._revoke, status=204),
            Operation(method="GET", path="/v3/auth/catalog", work=self._list_catalogue),
            Operation(method="GET", path="/v3/auth/domains", work=lambda call: listing(call, "domains", [])),
            Operation(method="GET", path="/v3/auth/system", work=lambda call: listing(call, "system", [])),
        )

    def _issue(self, call: Call) -> Reply:
        payload = self._login.payload(call)
        # The answer shows the token as it is validated, not as the login saw it.
        valid = valid_token(call.transaction, payload, call.time.timestamp())
        if valid is None:
            raise unauthenticated()
        return self._reply(call, self._box.seal(payload), payload, valid)

    def _show(self, call: Call) -> Reply:
        token, payload = self._subject(call)
        if "service" not in call.caller.roles:
            admin_or(call, payload.user_id, "validate_token")
        valid = valid_token(call.transaction, payload, call.time.timestamp())
        if valid is None:
            raise NotFound("Failed to validate token")
        return self._reply(call, token, payload, valid)

    def _revoke(self, call: Call) -> None:
        _, payload = self._subject(call)
        admin_or(call, payload.user_id, "revoke_token")
        now = int(call.time.timestamp())
        if valid_token(call.transaction, payload, now) is None:
            raise NotFound("Failed to validate token")
        forget_expired(call.transaction, now)
        call.transaction.insert(Revocation(id=payload.audit_ids[0], expires_at=payload.expires_at))

    def _subject(self, call: Call) -> tuple[str, Payload]:
        token = call.headers.get("x-subject-token")
        if not token:
            raise NotFound("No token in the request")
        payload = self._box.open(token)
        if payload is None:
            raise NotFound("Could not recognize Fernet token")
        return token, payload

    def _list_catalogue(self, call: Call) -> Any:
        if call.caller.project_id is None:
            raise Forbidden("A project-scoped token is required to produce a service catalog.")
        return listing(call, "catalog", self._catalogue.of(call))

    def _reply(self, call: Call, token: str, payload: Payload, valid: ValidToken) -> Reply:
        body: dict[str, Any] = {
            "methods": list(payload.methods),
            "user": {"domain": DOMAIN, "id": valid.user_id, "name": valid.user_name, "password_expires_at": None},
            "audit_ids": list(payload.audit_ids),
            "expires_at": _time(payload.expires_at),
            "issued_at": _time(payload.issued_at),
        }
        if valid.project_id is not None:
            body["project"] = {"domain": DOMAIN, "id": valid.project_id, "name": valid.project_name}
            body["is_domain"] = False
            body["roles"] = _roles(call.transaction, valid)
            if "nocatalog" not in call.query.names():
                body["catalog"] = self._catalogue.of(call)
        if payload.credential_id is not None:
            body["application_credential"] = {
                "id": payload.credential_id,
                "name": valid.credential_name,
                "restricted": not valid.credential_unrestricted,
            }
        return Reply(body={"token": body}, headers={"X-Subject-Token": token, "Vary": "X-Auth-Token"})


def forget_expired(transaction: Transaction, now: int) -> None:
    """Forget the revocations of tokens that have expired by `now` (UTC seconds) anyway."""
    transaction.delete(Revocation, columns(Revocation).expires_at <= now)


def _roles(transaction: Transaction, valid: ValidToken) -> list[dict[str, Any]]:
    c = columns(Role)
    rows = transaction.execute(select(c.id, c.name).where(c.name.in_(valid.roles)).order_by(c.name))
    return [{"id": row.id, "name": row.name} for row in rows]


def _time(seconds: float) -> str:
    return precise_zoned_stamp(datetime.fromtimestamp(seconds, UTC))
