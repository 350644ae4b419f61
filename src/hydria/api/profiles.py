"""What flavor profiles and availability zone profiles do alike: data that a provider must understand."""

import uuid
from typing import Any, ClassVar

import msgspec
from msgspec import UNSET, Struct
from sqlalchemy import select

from hydria.api import provider_checks
from hydria.api.admin_resource import AdminResourceApi, in_use, refuse_null, values_of
from hydria.errors import Conflict, Invalid, NotFound
from hydria.http.operation import Call
from hydria.store import columns


class Profiles(AdminResourceApi):
    """The operations on one kind of profile.

    `data` is the attribute with the data, `user` the struct that refers to profiles by its attribute `reference`.
    """

    data: ClassVar[str]
    user: ClassVar[type[Struct]]
    reference: ClassVar[str]
    # What Octavia calls a profile where it refuses to change or delete one.
    object_name: ClassVar[str]

    def create(self, call: Call) -> Struct:
        """Return a profile with data that its provider understands. Raises Invalid, Unsupported."""
        form = call.form
        data = parsed(self.data, getattr(form, self.data))
        self.check_data(form.provider_name or None, data)
        refuse_null(form, "provider_name")
        return self.kind.struct(id=str(uuid.uuid4()), **values_of(form))

    def taken(self, made: Struct) -> Conflict:
        """Return the refusal of an id that is there already."""
        return Conflict("Already an entity with that specified id.")

    def check_data(self, provider: str | None, data: Any) -> None:
        """Refuse data that a provider does not understand. Raises Invalid, Unsupported."""
        raise NotImplementedError

    def check_update(self, call: Call, key: str, form: Any) -> None:
        """Refuse to change what counts while the profile is in use, and data that its provider does not understand."""
        refuse_null(form, "name", "provider_name", self.data)
        text = getattr(form, self.data)
        if text is not UNSET or form.provider_name is not UNSET:
            self._refuse_used(call, key)
        if text is UNSET:
            if form.provider_name is not UNSET:
                provider_checks.check_provider(form.provider_name or None)
            return
        data = parsed(self.data, text)
        provider = form.provider_name
        if provider is UNSET:
            before = call.transaction.get(self.kind.struct, key)
            if before is None:
                raise self.missing(key)
            provider = before.provider_name  # type: ignore[attr-defined]
        self.check_data(provider or None, data)

    def check_delete(self, call: Call, key: str) -> None:
        """Refuse to delete a profile in use. Raises Conflict."""
        self._refuse_used(call, key)

    def missing_to_delete(self, key: str) -> NotFound:
        """Return the refusal to delete what is not there."""
        return NotFound(f"{self.object_name} {key} not found.")

    def _refuse_used(self, call: Call, key: str) -> None:
        c = columns(self.user)
        if call.transaction.execute(select(c.name).where(c[self.reference] == key).limit(1)).first():
            raise in_use(self.object_name, key)


def parsed(attribute: str, text: str | None) -> Any:
    """Return the JSON of an attribute. Raises Invalid."""
    try:
        return msgspec.json.decode(text or "")
    except (ValueError, RecursionError):
        raise Invalid(f"{text} is not a valid option for {attribute}") from None
