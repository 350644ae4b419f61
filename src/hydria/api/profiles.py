"""Shared by flavors and availability zones: profiles, and the resources with a profile that users choose."""

from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Struct
from sqlalchemy import select

from hydria.api import provider_checks
from hydria.api.admin_resource import AdminResourceApi, in_use, refuse_null
from hydria.errors import Conflict, Invalid, NotFound
from hydria.http.operation import Call
from hydria.model import LoadBalancer
from hydria.model.availability_zone import AvailabilityZone
from hydria.model.availability_zone_profile import AvailabilityZoneProfile
from hydria.model.flavor import Flavor
from hydria.model.flavor_profile import FlavorProfile
from hydria.store import columns

Offer = TypeVar("Offer", Flavor, AvailabilityZone)
Profile = TypeVar("Profile", FlavorProfile, AvailabilityZoneProfile)


class Profiles(AdminResourceApi[Profile], Generic[Profile]):
    """The operations on one kind of profile.

    `data` is the attribute with the provider's data. `user` is the struct that refers to profiles, by its attribute
    `reference`. `object_name` is what Octavia calls a profile when it refuses to change or delete one.
    """

    data: str
    user: type[Struct]
    reference: str
    object_name: str

    def check_data(self, provider: str, data: Any) -> None:
        """Refuse data that a provider does not understand. Raises Unsupported."""
        raise NotImplementedError

    def check_create(self, call: Call, form: Any) -> None:
        """Refuse data that the provider does not understand, and null for the provider. Raises Invalid, Unsupported."""
        data = parsed(self.data, getattr(form, self.data))
        self.check_data(provider_checks.check_provider(form.provider_name or None), data)
        refuse_null(form, "provider_name")

    def taken(self, made: Profile) -> Conflict:
        """Return the refusal of an id that is in use."""
        return Conflict("Already an entity with that specified id.")

    def check_update(self, call: Call, key: str, form: Any) -> None:
        """Refuse to change a profile in use other than its name, and data that the provider does not understand."""
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
            provider = before.provider_name
        self.check_data(provider_checks.check_provider(provider or None), data)

    def check_delete(self, call: Call, key: str) -> None:
        """Refuse to delete a profile in use. Raises Conflict."""
        self._refuse_used(call, key)

    def missing_to_delete(self, key: str) -> NotFound:
        """Return the refusal to delete a profile that does not exist."""
        return NotFound(f"{self.object_name} {key} not found.")

    def _refuse_used(self, call: Call, key: str) -> None:
        c = columns(self.user)
        if call.transaction.execute(select(c.name).where(c[self.reference] == key).limit(1)).first():
            raise in_use(self.object_name, key)


class Offers(AdminResourceApi[Offer], Generic[Offer]):
    """The operations on one kind of resource that has a profile: flavors and availability zones.

    `profile` is the struct of the profile, `reference` the attribute with its id, and `used_as` the attribute of load
    balancers with the key of such a resource.
    """

    profile: type[Struct]
    reference: str
    used_as: str

    def check_create(self, call: Call, form: Any) -> None:
        """Refuse a profile that does not exist, and null for the switch. Raises Invalid."""
        refuse_null(form, "enabled")
        # Held, so that the profile cannot change or go while it comes into use.
        if call.transaction.hold(self.profile, getattr(form, self.reference), shared=True) is None:
            raise Invalid(f"Validation failure: Invalid {self.reference}.")

    def taken(self, made: Offer) -> Conflict:
        """Return the refusal of a name that is in use."""
        return self._taken(made.name)

    def check_update(self, call: Call, key: str, form: Any) -> None:
        """Refuse a name that is in use, and null for the switch. Raises Conflict, Invalid."""
        refuse_null(form, "enabled")
        c = columns(self.kind.struct)
        name = getattr(form, "name", None)
        if name and call.transaction.find(self.kind.struct, c.name == name, c[self.kind.key] != key):
            raise self._taken(name)

    def check_delete(self, call: Call, key: str) -> None:
        """Refuse to delete what load balancers have chosen. Raises Conflict."""
        c = columns(LoadBalancer)
        if call.transaction.execute(select(c.id).where(c[self.used_as] == key).limit(1)).first():
            raise in_use(self.kind.title, key)

    def _taken(self, name: str | None) -> Conflict:
        return Conflict(f"A {self.kind.title.lower()} of {name} already exists.")


def parsed(attribute: str, text: str | None) -> Any:
    """Return the JSON of an attribute. Raises Invalid."""
    try:
        return msgspec.json.decode(text or "")
    except (ValueError, RecursionError):
        raise Invalid(f"{text} is not a valid option for {attribute}") from None
