"""`/dashboard/v1`: `rights` is what the policy allows a token, so that pages show only what their user may do."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from hydria.api.dialect import OctaviaDialect
from hydria.api.policy import PREFIX as POLICY
from hydria.dashboard import log, numbers
from hydria.dashboard.certificates import Certificates
from hydria.http.operation import Call, Mount, Operation

PREFIX = "/dashboard/v1"

_RIGHTS = (
    "loadbalancer:get_all",
    "loadbalancer:get_all-global",
    "loadbalancer:post",
    "loadbalancer:put_failover",
    "amphora:get_all",
    "host:get_all",
    "flavor:post",
    "availability-zone:post",
    "flavor-profile:get_all",
    "quota:get_all-global",
    "quota:put",
)


# What this server can do beyond Octavia.
FEATURES = ("history", "dry-run", "explain")


def mount(certificates: Certificates, features: Sequence[str]) -> Mount:
    """Return the operations that are the dashboard's own. `features` are what pages may use."""
    return Mount(
        prefixes=(PREFIX,),
        operations=(
            Operation(method="GET", path="/rights", work=partial(_rights, features), single=True),
            *numbers.operations(),
            *log.operations(),
            *certificates.operations(),
        ),
        dialect=OctaviaDialect(),
    )


def _rights(features: Sequence[str], call: Call) -> Any:
    caller = call.caller
    return {
        "user": {"id": caller.user_id, "name": caller.user_name},
        "project": {"id": caller.project_id, "name": caller.project_name},
        "roles": sorted(caller.roles),
        "features": features,
        "rights": [right for right in _RIGHTS if call.may(POLICY + right, caller.project_id)],
    }
