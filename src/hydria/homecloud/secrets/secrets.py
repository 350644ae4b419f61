"""/secrets: store, list, show, fetch, fill, delete, and the user's own metadata."""

import uuid
from typing import Any

from msgspec import structs

from hydria.errors import Conflict, Invalid, NotFound
from hydria.homecloud.secrets import payloads
from hydria.homecloud.secrets.access import bad, href, load, load_owned, load_readable, missing, writer
from hydria.homecloud.secrets.dialect import Raw
from hydria.homecloud.secrets.forms import Metadata, MetadatumForm, SecretCreate
from hydria.homecloud.secrets.listing import listing
from hydria.homecloud.secrets.rows import Consumer, Secret
from hydria.homecloud.secrets.vault import Vault
from hydria.http.lists import Condition
from hydria.http.operation import Call, Operation, Reply
from hydria.store import columns
from hydria.times import from_text, stamp

# Filters of the list and their attributes.
_FILTERS = {"name": "name", "alg": "algorithm", "mode": "mode", "secret_type": "secret_type"}


class Secrets:
    """The operations on secrets."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def operations(self) -> tuple[Operation, ...]:
        one = "/secrets/{id}"
        return (
            Operation(method="POST", path="/secrets", work=self._store, form=SecretCreate, status=201),
            Operation(method="GET", path="/secrets", work=_list),
            Operation(method="GET", path=one, work=self._show),
            Operation(method="GET", path=f"{one}/payload", work=self._fetch),
            Operation(method="PUT", path=one, work=self._fill, form=Raw, status=204),
            Operation(method="DELETE", path=one, work=_delete, status=204),
            Operation(method="GET", path=f"{one}/metadata", work=_metadata),
            Operation(method="PUT", path=f"{one}/metadata", work=_replace_metadata, form=Metadata, status=201),
            Operation(method="POST", path=f"{one}/metadata", work=_add_metadatum, form=MetadatumForm, status=201),
            Operation(method="GET", path=f"{one}/metadata/{{key}}", work=_metadatum),
            Operation(method="PUT", path=f"{one}/metadata/{{key}}", work=_set_metadatum, form=MetadatumForm),
            Operation(method="DELETE", path=f"{one}/metadata/{{key}}", work=_remove_metadatum, status=204),
        )

    def _store(self, call: Call) -> Any:
        form: SecretCreate = call.form
        project_id = writer(call, "Secret")
        payload = payloads.in_form(form)
        secret = Secret(
            id=str(uuid.uuid4()),
            project_id=project_id,
            creator_id=call.caller.user_id,
            name=form.name,
            secret_type=form.secret_type or "opaque",
            algorithm=form.algorithm,
            bit_length=form.bit_length,
            mode=form.mode,
            expiration=_expiration(form.expiration, call.now),
            content_type=payload[1] if payload else None,
            payload=self._vault.seal(payload[0]) if payload else None,
            created_at=call.now,
            updated_at=call.now,
        )
        call.transaction.insert(secret)
        reference = href(call, secret)
        return Reply(body={"secret_ref": reference}, headers={"Location": reference})

    def _show(self, call: Call) -> Any:
        """Show a secret, or its payload where `Accept` asks for it, as old clients do."""
        accepted = call.headers.get("accept", "").partition(",")[0].partition(";")[0].strip()
        if accepted in (payloads.TEXT, payloads.BINARY):
            return self._fetch(call)
        return shown(call, load(call, Secret))

    def _fetch(self, call: Call) -> Any:
        secret = load_readable(call)
        if secret.payload is None or secret.content_type is None:
            raise missing("Secret payload")
        if expired(secret, call.now):
            raise missing("Secret")
        headers = {"Content-Type": secret.content_type}
        if secret.content_type == payloads.TEXT:
            headers["Content-Type"] += "; charset=utf-8"
        return Reply(body=self._vault.open(secret.payload), headers=headers)

    def _fill(self, call: Call) -> None:
        secret = load_owned(call, Secret)
        if secret.payload is not None:
            raise Conflict("Secret already has data, cannot modify it.")
        form: Raw = call.form
        kind = payloads.normal(call.headers.get("content-type"))
        encoded = call.headers.get("content-encoding", "").lower() == "base64"
        content = payloads.sized(payloads.decoded(form.content) if encoded else form.content)
        if kind == payloads.TEXT:
            try:
                content.decode()
            except UnicodeDecodeError:
                raise Invalid("The payload is no text in UTF-8: send it as application/octet-stream.") from None
        filled = structs.replace(secret, payload=self._vault.seal(content), content_type=kind, updated_at=call.now)
        call.transaction.update(filled)


def shown(call: Call, secret: Secret) -> dict[str, Any]:
    """Return the body of a secret, without its payload."""
    body: dict[str, Any] = {
        "algorithm": secret.algorithm,
        "bit_length": secret.bit_length,
        "created": secret.created_at,
        "creator_id": secret.creator_id,
        "expiration": secret.expiration,
        "mode": secret.mode,
        "name": secret.name or secret.id,
        "secret_ref": href(call, secret),
        "secret_type": secret.secret_type,
        "status": "ACTIVE",
        "updated": secret.updated_at,
    }
    if secret.content_type is not None:
        body["content_types"] = {"default": secret.content_type}
    return body


def expired(secret: Secret, now: str) -> bool:
    """Return whether a secret has expired."""
    return secret.expiration is not None and secret.expiration <= now


def _list(call: Call) -> Any:
    c = columns(Secret)
    known = {name: c[field] for name, field in _FILTERS.items()}
    where: list[Condition] = [c.expiration.is_(None) | (c.expiration > call.now)]
    bits = call.query.last("bits") or ""
    # Barbican ignores what is no number.
    if bits.isdecimal() and bits != "0":
        where.append(c.bit_length == int(bits))
    return listing(call, Secret, "secrets", shown, known, *where)


def _delete(call: Call) -> None:
    secret = load_owned(call, Secret)
    call.transaction.delete(Consumer, columns(Consumer).owner_id == secret.id)
    call.transaction.delete(Secret, columns(Secret).id == secret.id)


def _metadata(call: Call) -> Any:
    return {"metadata": load(call, Secret).user_metadata}


def _replace_metadata(call: Call) -> Any:
    form: Metadata = call.form
    secret = load_owned(call, Secret)
    _write(call, secret, {key.lower(): value for key, value in form.metadata.items()})
    return {"metadata_ref": f"{href(call, secret)}/metadata"}


def _add_metadatum(call: Call) -> Any:
    form: MetadatumForm = call.form
    secret = load_owned(call, Secret)
    if form.key.lower() in secret.user_metadata:
        raise Conflict(f"Conflict. Key in request is already in use: {form.key}")
    _write(call, secret, {**secret.user_metadata, form.key.lower(): form.value})
    return {"key": form.key, "value": form.value}


def _metadatum(call: Call) -> Any:
    key = call.path["key"].lower()
    return {"key": key, "value": _value(load(call, Secret), key)}


def _set_metadatum(call: Call) -> Any:
    form: MetadatumForm = call.form
    secret = load_owned(call, Secret)
    key = call.path["key"].lower()
    if form.key.lower() != key:
        raise bad("the key of the body is not that of the path.")
    _value(secret, key)
    _write(call, secret, {**secret.user_metadata, key: form.value})
    return {"key": key, "value": form.value}


def _remove_metadatum(call: Call) -> None:
    secret = load_owned(call, Secret)
    key = call.path["key"].lower()
    _value(secret, key)
    _write(call, secret, {name: value for name, value in secret.user_metadata.items() if name != key})


def _value(secret: Secret, key: str) -> str:
    try:
        return secret.user_metadata[key]
    except KeyError:
        raise NotFound("Secret metadata not found.") from None


def _write(call: Call, secret: Secret, metadata: dict[str, str]) -> None:
    call.transaction.update(structs.replace(secret, user_metadata=metadata, updated_at=call.now))


def _expiration(wanted: str | None, now: str) -> str | None:
    if not wanted or not wanted.strip():
        return None
    try:
        written = stamp(from_text(wanted.strip()))
    except ValueError:
        raise bad("Invalid date for 'expiration'.") from None
    if written <= now:
        raise bad("'expiration' is before current time.")
    return written
