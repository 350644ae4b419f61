"""A health monitor: how a pool's members are checked. A pool has at most one."""

from msgspec import UNSET, Struct

from hydria.model.base import Child
from hydria.model.fields import (
    CheckSeconds,
    DomainName,
    ExpectedCodes,
    HttpMethod,
    HttpVersion,
    Maybe,
    MonitorType,
    Name,
    ProjectId,
    Retries,
    Tag,
    UrlPath,
    Uuid,
)


class HealthMonitor(Child, frozen=True, kw_only=True):
    """The stored monitor; `delay` and `timeout` are seconds, the HTTP attributes are None for other types."""

    pool_id: str
    type: MonitorType
    delay: int
    timeout: int
    max_retries: int
    max_retries_down: int = 3
    http_method: HttpMethod | None = None
    url_path: str | None = None
    expected_codes: str | None = None
    http_version: HttpVersion | None = None
    domain_name: str | None = None


class HealthMonitorUpdate(Struct, kw_only=True):
    """The body of an update."""

    name: Maybe[Name] = UNSET
    delay: Maybe[CheckSeconds] = UNSET
    timeout: Maybe[CheckSeconds] = UNSET
    max_retries_down: Maybe[Retries] = UNSET
    max_retries: Maybe[Retries] = UNSET
    http_method: Maybe[HttpMethod] = UNSET
    url_path: Maybe[UrlPath] = UNSET
    expected_codes: Maybe[ExpectedCodes] = UNSET
    admin_state_up: Maybe[bool] = UNSET
    tags: Maybe[list[Tag]] = UNSET
    http_version: Maybe[HttpVersion] = UNSET
    domain_name: Maybe[DomainName] = UNSET


class HealthMonitorBody(HealthMonitorUpdate, kw_only=True):
    """The monitor's own attributes in a create, nested or not."""

    id: Maybe[Uuid] = UNSET
    type: MonitorType
    delay: CheckSeconds
    timeout: CheckSeconds
    max_retries: Retries


class HealthMonitorCreate(HealthMonitorBody, kw_only=True):
    """The body of a create."""

    pool_id: Uuid
    project_id: Maybe[ProjectId] = UNSET
