"""What a host observes of an amphora, and reports."""

from collections.abc import Mapping

from msgspec import Struct

from hydria.model.applied import Applied
from hydria.model.numbers import Numbers
from hydria.model.status import CheckResult, OperatingStatus, ServerState


class Counters(Struct, frozen=True, kw_only=True):
    """Traffic of one listener since its amphora was made. `active_connections` is the current number."""

    bytes_in: int = 0
    bytes_out: int = 0
    active_connections: int = 0
    total_connections: int = 0
    request_errors: int = 0

    def plus(self, other: "Counters") -> "Counters":
        """Return the sums."""
        return Counters(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


class Observation(Struct, frozen=True, kw_only=True):
    """What a host observes of a running amphora: members' states by member id, counters by listener id.

    `troubles` has the reasons, by resource id, of listeners, pools and policies that are not served as configured;
    `unserved` are the ids of those that are not served at all. `carries_vip` says whether the amphora has the VIPs now.
    `dropped_flows` is the number of datagrams so far that began no flow for want of a source port or memory.
    """

    carries_vip: bool = True
    servers: Mapping[str, ServerState] = {}
    counters: Mapping[str, Counters] = {}
    troubles: Mapping[str, str] = {}
    unserved: frozenset[str] = frozenset()
    dropped_flows: int = 0
    # How the newest generation was applied, None after a restart of the agent.
    applied: Applied | None = None
    numbers: Numbers = Numbers()
    # What the checks of members that are down saw, by member id.
    checks: Mapping[str, CheckResult] = {}


class Report(Struct, frozen=True, kw_only=True):
    """A host's report about one amphora. Every part is complete, not a difference.

    `generation` is the served one (0: none yet). `reason` is why generation `attempted` is not served. `change_id`
    belongs to `generation`, and is None from agents that do not send it.
    `reachable` is True when the amphora was just observed, False when it serves but could not be observed, None when
    the report says nothing about its health.
    `servers` are by member id and `counters` by listener id. `troubles` has the reasons, by resource id, of what is not
    served as configured; `unserved` are the ids of those that are not served at all. The rest of the generation is
    served. `carries_vip` says whether the amphora has the VIPs now, None from agents that do not send it.
    `dropped_flows` is as in `Observation`; it begins anew with the amphora's namespace. So are `applied`, `numbers` and
    `checks`, which the version before does not send.
    Agents before 0.2 send `operating`, which they derived, instead of `reachable`, `servers` and `unserved`.
    """

    amphora_id: str
    generation: int
    change_id: int | None = None
    attempted: int = 0
    reason: str | None = None
    reachable: bool | None = None
    carries_vip: bool | None = None
    servers: dict[str, ServerState] = {}
    unserved: tuple[str, ...] = ()
    counters: dict[str, Counters] = {}
    troubles: dict[str, str] = {}
    dropped_flows: int = 0
    operating: dict[str, OperatingStatus] = {}
    applied: Applied | None = None
    numbers: Numbers | None = None
    checks: dict[str, CheckResult] = {}
