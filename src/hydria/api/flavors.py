"""/flavors: what load balancers can be like."""

import uuid
from typing import Any

from msgspec import Struct
from sqlalchemy import select

from hydria.api.admin_resource import AdminResourceApi, AdminResourceType, in_use, refuse_null, values_of
from hydria.errors import Conflict, Invalid
from hydria.http.operation import Call
from hydria.model import LoadBalancer
from hydria.model.flavor import Flavor, FlavorCreate, FlavorUpdate
from hydria.model.flavor_profile import FlavorProfile
from hydria.store import columns


class Flavors(AdminResourceApi):
    """The operations on flavors."""

    kind = AdminResourceType(
        struct=Flavor, root="flavor", plural="flavors", links="flavors_links", policy="flavor", title="Flavor"
    )
    path = "/flavors"
    create_form = FlavorCreate
    update_form = FlavorUpdate

    def create(self, call: Call) -> Flavor:
        """Return a flavor of a profile that there is. Raises Invalid."""
        form: FlavorCreate = call.form
        refuse_null(form, "enabled")
        # Held, so that the profile does not change or go while it comes into use.
        if call.transaction.hold(FlavorProfile, form.flavor_profile_id, shared=True) is None:
            raise Invalid("Validation failure: Invalid flavor_profile_id.")
        return Flavor(id=str(uuid.uuid4()), **values_of(form))

    def taken(self, made: Struct) -> Conflict:
        """Return the refusal of a name that is taken."""
        assert isinstance(made, Flavor)  # noqa: S101 - by the kind
        return _taken(made.name)

    def check_update(self, call: Call, key: str, form: Any) -> None:
        """Refuse a name that is taken, and null for a switch."""
        refuse_null(form, "enabled")
        c = columns(Flavor)
        if form.name and call.transaction.find(Flavor, c.name == form.name, c.id != key):
            raise _taken(form.name)

    def check_delete(self, call: Call, key: str) -> None:
        """Refuse to delete a flavor that load balancers have. Raises Conflict."""
        c = columns(LoadBalancer)
        if call.transaction.execute(select(c.id).where(c.flavor_id == key).limit(1)).first():
            raise in_use("Flavor", key)


def _taken(name: str | None) -> Conflict:
    return Conflict(f"A flavor of {name} already exists.")
