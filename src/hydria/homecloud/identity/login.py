"""Logging in: from a proof (password, token, application credential) and a scope to the payload of a token."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from msgspec import UNSET, Struct, UnsetType

from hydria.errors import Invalid
from hydria.homecloud.identity.faults import bad_input, expecting, unauthenticated
from hydria.homecloud.identity.forms import Auth, CredentialMethod, DomainRef, ProjectRef, Proof, Scope, UserRef
from hydria.homecloud.identity.limits import Attempt
from hydria.homecloud.identity.passwords import Checked, Passwords
from hydria.homecloud.identity.rows import DOMAIN_ID, DOMAIN_NAME, ApplicationCredential, Project, User
from hydria.homecloud.identity.token_validation import roles_in, valid_token
from hydria.homecloud.identity.tokens import Payload, TokenBox, new_audit_id
from hydria.http.operation import Call, Preparation
from hydria.store import Transaction, columns

R = TypeVar("R", User, Project)

# The longest part of an unknown user's name that is counted (characters): no user has a longer name.
_LONGEST_NAME = 255


class _Proven(Struct, frozen=True, kw_only=True):
    """The result of one method of a login; `ancestor` is the payload of the token that was shown."""

    user: User
    methods: tuple[str, ...]
    credential: ApplicationCredential | None = None
    ancestor: Payload | None = None


class _Kept(Struct, frozen=True, kw_only=True):
    """The secret of a login and the hash to check it against, None for an unknown user."""

    secret: str
    hash: str | None
    attempt: Attempt


class Login:
    """Turns proofs into payloads."""

    def __init__(self, box: TokenBox, passwords: Passwords, token_hours: int) -> None:
        """`token_hours` is how long a new token is good for."""
        self._box = box
        self._passwords = passwords
        self._seconds = token_hours * 3600

    async def check(self, preparation: Preparation) -> dict[str, Checked]:
        """Return the hashes that a login's secrets match, by method.

        Raises Unauthenticated, Invalid, TooMany.
        """
        auth: Auth = preparation.form
        _check_refs(auth)
        right: dict[str, Checked] = {}
        for method in dict.fromkeys(auth.identity.methods):
            look = _SECRETS.get(method)
            if look is None:
                continue
            kept = await preparation.read(lambda transaction, look=look: look(transaction, auth.identity, preparation))
            checked = await self._passwords.check(kept.secret, kept.hash, kept.attempt)
            if checked is None:
                raise unauthenticated()
            right[method] = checked
        return right

    def payload(self, call: Call) -> Payload:
        """Return the payload of a login's token; `check` has run. Raises Unauthenticated, Invalid."""
        auth: Auth = call.form
        proven = self._prove(call.transaction, auth.identity, call.prepared, call.time)
        project_id = _scope(call.transaction, auth, proven)
        now = call.time.timestamp()
        ends = int(now) + self._seconds
        audit_ids: tuple[str, ...] = (new_audit_id(),)
        if proven.credential is not None and proven.credential.expires_at is not None:
            ends = min(ends, int(proven.credential.expires_at))
        if proven.ancestor is not None:
            ends = min(ends, proven.ancestor.expires_at)
            audit_ids += (proven.ancestor.audit_ids[-1],)
        payload = Payload(
            user_id=proven.user.id,
            token_epoch=proven.user.token_epoch,
            methods=proven.methods,
            project_id=project_id,
            issued_at=now,
            expires_at=ends,
            audit_ids=audit_ids,
            credential_id=proven.credential.id if proven.credential else None,
        )
        if valid_token(call.transaction, payload, now) is None:
            raise unauthenticated()
        return payload

    def _prove(self, transaction: Transaction, proof: Proof, right: Mapping[str, Checked], now: datetime) -> _Proven:
        found: list[_Proven] = []
        for method in dict.fromkeys(proof.methods):
            if method == "password":
                found.append(_by_password(transaction, proof, right[method]))
            elif method == "token":
                found.append(self._by_token(transaction, proof, now))
            elif method == "application_credential":
                found.append(_by_credential(transaction, proof, right[method], now))
            else:
                raise unauthenticated("Attempted to authenticate with an unsupported method.")
        if len({each.user.id for each in found}) != 1:
            raise unauthenticated()
        return _Proven(
            user=found[0].user,
            methods=tuple(dict.fromkeys(method for each in found for method in each.methods)),
            credential=next((each.credential for each in found if each.credential), None),
            ancestor=next((each.ancestor for each in found if each.ancestor), None),
        )

    def _by_token(self, transaction: Transaction, proof: Proof, now: datetime) -> _Proven:
        if proof.token is UNSET:
            raise expecting("token", "identity")
        payload = self._box.open(proof.token.id)
        if payload is None or valid_token(transaction, payload, now.timestamp()) is None:
            raise unauthenticated()
        user = transaction.get(User, payload.user_id)
        credential = transaction.get(ApplicationCredential, payload.credential_id) if payload.credential_id else None
        if user is None:
            raise unauthenticated()
        return _Proven(user=user, methods=("token", *payload.methods), credential=credential, ancestor=payload)


def _kept_password(transaction: Transaction, proof: Proof, preparation: Preparation) -> _Kept:
    ref = _shown_user(proof)
    if ref.password is UNSET:
        raise expecting("password", "user")
    user = _user(transaction, ref)
    named = user.id if user else f"{ref.id or ref.name}"[:_LONGEST_NAME]
    attempt = Attempt(user=named, source=preparation.source)
    return _Kept(secret=ref.password, hash=user.password_hash if user else None, attempt=attempt)


def _by_password(transaction: Transaction, proof: Proof, right: Checked) -> _Proven:
    user = _user(transaction, _shown_user(proof))
    # The password may have changed since it was checked.
    if user is None or user.password_hash != right.kept or not user.enabled:
        raise unauthenticated()
    return _Proven(user=user, methods=("password",))


def _shown_user(proof: Proof) -> UserRef:
    if proof.password is UNSET:
        raise expecting("password", "identity")
    if proof.password.user is UNSET:
        raise expecting("user", "password")
    return proof.password.user


def _kept_secret(transaction: Transaction, proof: Proof, preparation: Preparation) -> _Kept:
    ref = _shown_credential(proof)
    if ref.secret is UNSET:
        raise expecting("secret", "application_credential")
    credential = _credential(transaction, ref)
    named = credential.id if credential else f"{ref.id or ref.name}"[:_LONGEST_NAME]
    attempt = Attempt(user=named, source=preparation.source)
    return _Kept(secret=ref.secret, hash=credential.secret_hash if credential else None, attempt=attempt)


# The methods whose secrets are checked against a hash.
_SECRETS = {"password": _kept_password, "application_credential": _kept_secret}


def _shown_credential(proof: Proof) -> CredentialMethod:
    if proof.application_credential is UNSET:
        raise expecting("application_credential", "identity")
    return proof.application_credential


def _by_credential(transaction: Transaction, proof: Proof, right: Checked, now: datetime) -> _Proven:
    credential = _credential(transaction, _shown_credential(proof))
    if credential is None or credential.secret_hash != right.kept:
        raise unauthenticated()
    user = transaction.get(User, credential.user_id)
    if user is None or (credential.expires_at is not None and credential.expires_at <= now.timestamp()):
        raise unauthenticated()
    return _Proven(user=user, methods=("application_credential",), credential=credential)


def _credential(transaction: Transaction, ref: CredentialMethod) -> ApplicationCredential | None:
    if ref.id is not UNSET:
        return transaction.get(ApplicationCredential, ref.id)
    if ref.name is UNSET:
        raise expecting("id or name", "application_credential")
    if ref.user is UNSET:
        raise expecting("user", "application_credential")
    user = _user(transaction, ref.user)
    c = columns(ApplicationCredential)
    found = transaction.find(ApplicationCredential, c.user_id == user.id, c.name == ref.name) if user else []
    return found[0] if found else None


def _user(transaction: Transaction, ref: UserRef) -> User | None:
    return _by_reference(transaction, User, ref, "user")


def _project(transaction: Transaction, ref: ProjectRef) -> Project | None:
    return _by_reference(transaction, Project, ref, "project")


def _by_reference(transaction: Transaction, kind: type[R], ref: UserRef | ProjectRef, name: str) -> R | None:
    """Return the row with this id, or with this name in this domain."""
    if ref.id is not UNSET:
        return transaction.get(kind, ref.id)
    if ref.domain is UNSET:
        raise expecting("domain", name)
    if not _is_default(ref.domain):
        return None
    c = columns(kind)
    found = transaction.find(kind, c.domain_id == DOMAIN_ID, c.name == ref.name)
    return found[0] if found else None


def _is_default(ref: DomainRef) -> bool:
    if ref.id is not UNSET:
        return ref.id == DOMAIN_ID
    # Keystone's usual database compares without regard to case, and clients rely on it.
    return ref.name is not UNSET and ref.name.lower() == DOMAIN_NAME.lower()


def _scope(transaction: Transaction, auth: Auth, proven: _Proven) -> str | None:
    """Return the project of the token, or None. Raises Unauthenticated for an unknown one."""
    scope, credential = auth.scope, proven.credential
    if credential is not None:
        if scope not in (UNSET, None) and "application_credential" in auth.identity.methods:
            raise Invalid("Application credentials cannot request a scope.")
        asked = _asked(transaction, scope) if isinstance(scope, Scope) else credential.project_id
        # A credential is valid for one project, and so are all tokens made from it.
        if asked != credential.project_id:
            raise unauthenticated()
        return credential.project_id
    if isinstance(scope, Scope):
        return _asked(transaction, scope)
    if isinstance(scope, str):
        if scope != "unscoped":
            raise bad_input("scope", f"{scope[:64]!r} is not 'unscoped'")
        return None
    return _default_project(transaction, proven.user)


def _asked(transaction: Transaction, scope: Scope) -> str | None:
    given = (scope.project, scope.domain, scope.system, scope.trust, scope.unscoped)
    if sum(value is not UNSET for value in given) != 1:
        raise expecting("project, domain, OS-TRUST:trust or unscoped", "scope")
    if scope.unscoped is not UNSET:
        return None
    # Roles are granted in projects only, never in the domain or the system.
    project = _project(transaction, scope.project) if scope.project is not UNSET else None
    if project is None:
        raise unauthenticated()
    return project.id


def _default_project(transaction: Transaction, user: User) -> str | None:
    if user.default_project_id is None:
        return None
    project = transaction.get(Project, user.default_project_id)
    usable = project is not None and project.enabled and roles_in(transaction, user.id, project.id)
    return user.default_project_id if usable else None


def _check_refs(auth: Auth) -> None:
    """Refuse a user, project or domain without id and name, in Keystone's words."""
    refs: dict[str, UserRef | ProjectRef | DomainRef | UnsetType] = {}
    if auth.identity.password is not UNSET and auth.identity.password.user is not UNSET:
        user = auth.identity.password.user
        refs.update({"identity/password/user": user, "identity/password/user/domain": user.domain})
    if isinstance(auth.scope, Scope):
        if auth.scope.project is not UNSET:
            refs.update({"scope/project": auth.scope.project, "scope/project/domain": auth.scope.project.domain})
        refs["scope/domain"] = auth.scope.domain
    for place, ref in refs.items():
        if ref is not UNSET and ref.id is UNSET and ref.name is UNSET:
            raise Invalid(f"Invalid input for field {place}: id or name must be present.")
