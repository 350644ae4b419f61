"""Octavia's API v2: one module per resource, each a list of operations over transactions."""

from collections.abc import Callable, Mapping
from typing import Any

from hydria.api import explain, healthcheck, history, openapi, providers, versions
from hydria.api.access import Changes
from hydria.api.amphorae import Amphorae
from hydria.api.availability_zones import AvailabilityZoneProfiles, AvailabilityZones
from hydria.api.dialect import OctaviaDialect
from hydria.api.flavors import FlavorProfiles, Flavors
from hydria.api.health_monitors import HealthMonitors
from hydria.api.hosts import Administration, Hosts
from hydria.api.l7_policies import L7Policies
from hydria.api.l7_rules import L7Rules
from hydria.api.listeners import Listeners
from hydria.api.load_balancers import LoadBalancers
from hydria.api.members import Members
from hydria.api.pools import Pools
from hydria.api.quotas import Quotas
from hydria.api.rollback import Rollback
from hydria.http.operation import Mount
from hydria.model.load_balancer import Topology
from hydria.protocols import Networking, Secrets
from hydria.store import Transaction

ROOT = "/load-balancer"


def mounts(  # noqa: PLR0913 - the one place where the parts of the API meet
    networking_of: Callable[[Transaction], Networking],
    secrets_of: Callable[[Transaction], Secrets],
    *,
    strict_immutable: bool,
    default_quotas: Mapping[str, int] | None = None,
    topology: Topology = "SINGLE",
    keep_spelling: bool = False,
    hosts: Administration,
    planner: Callable[[Transaction], Any] | None = None,
) -> tuple[Mount, ...]:
    """Return the mounts of Octavia's API.

    `networking_of` and `secrets_of` bind the network service and the key manager to a transaction. `default_quotas`
    are the limits of projects without their own, by `Quota`'s names; absent ones do not limit. `topology` is that of
    load balancers whose flavor sets none. `keep_spelling` shows IP addresses as clients typed them. `hosts` is what is
    done with hosts. `planner` makes the plans of dry runs (`hydria.http.dry_run`).
    """
    quotas = Quotas(default_quotas)
    changes = Changes(strict_immutable=strict_immutable, quotas=quotas)
    resources = (
        LoadBalancers(changes, networking_of, secrets_of, topology),
        Listeners(changes, networking_of, secrets_of),
        Pools(changes, networking_of, secrets_of),
        Members(changes, networking_of, secrets_of),
        HealthMonitors(changes, networking_of, secrets_of),
        L7Policies(changes, networking_of, secrets_of),
        L7Rules(changes, networking_of, secrets_of),
    )
    admin = (Flavors(), FlavorProfiles(), AvailabilityZones(), AvailabilityZoneProfiles())
    collections = (*resources, *admin, quotas)
    operations = (
        *(one for collection in collections for one in collection.operations()),
        *explain.operations(secrets_of),
        *history.operations(),
        *Rollback(changes, networking_of, secrets_of).operations(),
        *providers.operations(),
    )
    machines = (*Amphorae(changes).operations(), *Hosts(hosts).operations())
    described = {"/v2.0/lbaas": operations, "/v2.0/octavia": machines}
    dialect = OctaviaDialect(keep_spelling=keep_spelling)
    prefixes = (f"{ROOT}/v2.0/lbaas", f"{ROOT}/v2/lbaas", f"{ROOT}/v2.0", f"{ROOT}/v2")
    return (
        Mount(prefixes=("", ROOT), operations=healthcheck.operations(), dialect=dialect),
        Mount(
            prefixes=(ROOT,),
            operations=(*versions.operations(), *openapi.operations(described)),
            dialect=dialect,
        ),
        Mount(
            prefixes=(f"{ROOT}/v2.0/octavia", f"{ROOT}/v2/octavia"),
            operations=machines,
            dialect=dialect,
            slashes=True,
            planner=planner,
        ),
        Mount(prefixes=prefixes, operations=operations, dialect=dialect, slashes=True, planner=planner),
    )
