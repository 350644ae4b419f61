"""/availabilityzones: where load balancers can be. Zones go by their names."""

from typing import Any

from msgspec import Struct
from sqlalchemy import select

from hydria.api.admin_resource import AdminResourceApi, AdminResourceType, in_use, refuse_null, values_of
from hydria.errors import Conflict, Invalid
from hydria.http.operation import Call
from hydria.model import LoadBalancer
from hydria.model.availability_zone import AvailabilityZone, AvailabilityZoneCreate, AvailabilityZoneUpdate
from hydria.model.availability_zone_profile import AvailabilityZoneProfile
from hydria.store import columns


class AvailabilityZones(AdminResourceApi):
    """The operations on availability zones."""

    kind = AdminResourceType(
        struct=AvailabilityZone,
        root="availability_zone",
        plural="availability_zones",
        links="availability_zones_links",
        policy="availability-zone",
        title="Availability Zone",
        key="name",
    )
    path = "/availabilityzones"
    create_form = AvailabilityZoneCreate
    update_form = AvailabilityZoneUpdate

    def create(self, call: Call) -> AvailabilityZone:
        """Return a zone of a profile that there is. Raises Invalid."""
        form: AvailabilityZoneCreate = call.form
        refuse_null(form, "enabled")
        # Held, so that the profile does not change or go while it comes into use.
        if call.transaction.hold(AvailabilityZoneProfile, form.availability_zone_profile_id, shared=True) is None:
            raise Invalid("Validation failure: Invalid availability_zone_profile_id.")
        return AvailabilityZone(**values_of(form))

    def taken(self, made: Struct) -> Conflict:
        """Return the refusal of a name that is taken."""
        assert isinstance(made, AvailabilityZone)  # noqa: S101 - by the kind
        return Conflict(f"A availability zone of {made.name} already exists.")

    def check_update(self, call: Call, key: str, form: Any) -> None:
        """Refuse null for a switch. Raises Invalid."""
        refuse_null(form, "enabled")

    def check_delete(self, call: Call, key: str) -> None:
        """Refuse to delete a zone that load balancers are in. Raises Conflict."""
        c = columns(LoadBalancer)
        if call.transaction.execute(select(c.id).where(c.availability_zone == key).limit(1)).first():
            raise in_use("Availability Zone", key)
