"""Octavia's metrics of one amphora in Prometheus' text format, from HAProxy's counters.

The names are those of Octavia's PROMETHEUS listeners (its user guide, "Monitoring Load Balancers"), so that existing
dashboards work. Datagram listeners, which Octavia leaves out, have the same names.
"""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hydria.render.haproxy.prometheus import INTERNAL

Row = Mapping[str, str]

# The proxies that have a metric: listeners, pools behind a listener, members of these.
_KINDS = {"L": ("listener", "FRONTEND"), "P": ("pool", "BACKEND"), "M": ("member", None)}

# Kinds, name, column of `show stat`, meaning. A name that ends in _total is a counter.
_TABLE = (
    ("LPM", "current_sessions", "scur", "Sessions that are open"),
    ("LPM", "max_sessions", "smax", "Most sessions that were open at once"),
    ("LPM", "limit_sessions", "slim", "Sessions that may be open at once"),
    ("LPM", "sessions_total", "stot", "Sessions so far"),
    ("LPM", "bytes_in_total", "bin", "Bytes from clients"),
    ("LPM", "bytes_out_total", "bout", "Bytes to clients"),
    ("LP", "requests_denied_total", "dreq", "Requests that were denied"),
    ("LPM", "responses_denied_total", "dresp", "Responses that were denied"),
    ("L", "request_errors_total", "ereq", "Requests that were no good"),
    ("L", "limit_session_rate", "rate_lim", "Sessions a second that are allowed"),
    ("LPM", "max_session_rate", "rate_max", "Most sessions in one second"),
    ("L", "http_requests_rate_max", "req_rate_max", "Most HTTP requests in one second"),
    ("LP", "http_requests_total", "req_tot", "HTTP requests so far"),
    ("L", "connections_rate_max", "conn_rate_max", "Most connections in one second"),
    ("L", "connections_total", "conn_tot", "Connections so far"),
    ("L", "intercepted_requests_total", "intercepted", "Requests that the load balancer answered itself"),
    ("L", "denied_connections_total", "dcon", "Connections that were denied"),
    ("L", "denied_sessions_total", "dses", "Sessions that were denied"),
    ("LPM", "failed_header_rewriting_total", "wrew", "Headers that could not be rewritten"),
    ("LP", "http_cache_lookups_total", "cache_lookups", "Look-ups in a cache"),
    ("LP", "http_cache_hits_total", "cache_hits", "Answers out of a cache"),
    ("LP", "http_comp_bytes_in_total", "comp_in", "Bytes that were given to compression"),
    ("LP", "http_comp_bytes_out_total", "comp_out", "Bytes that compression made of them"),
    ("LP", "http_comp_bytes_bypassed_total", "comp_byp", "Bytes that were not compressed for want of time"),
    ("LP", "http_comp_responses_total", "comp_rsp", "Responses that were compressed"),
    ("PM", "last_session_seconds", "lastsess", "Seconds since a session came last"),
    ("PM", "current_queue", "qcur", "Requests that wait for a member"),
    ("PM", "max_queue", "qmax", "Most requests that waited at once"),
    ("M", "queue_limit", "qlimit", "Requests that may wait for the member"),
    ("PM", "connection_attempts_total", "connect", "Connections that were tried"),
    ("PM", "connection_reuses_total", "reuse", "Requests on a connection that was there already"),
    ("PM", "queue_time_average_seconds", "qtime", "Seconds in the queue, mean of the last 1024"),
    ("PM", "connect_time_average_seconds", "ctime", "Seconds to connect, mean of the last 1024"),
    ("PM", "response_time_average_seconds", "rtime", "Seconds to the response, mean of the last 1024"),
    ("PM", "total_time_average_seconds", "ttime", "Seconds of a session, mean of the last 1024"),
    ("PM", "max_queue_time_seconds", "qtime_max", "Most seconds in the queue"),
    ("PM", "max_connect_time_seconds", "ctime_max", "Most seconds to connect"),
    ("PM", "max_response_time_seconds", "rtime_max", "Most seconds to the response"),
    ("PM", "max_total_time_seconds", "ttime_max", "Most seconds of a session"),
    ("PM", "connection_errors_total", "econ", "Connections that could not be made"),
    ("PM", "response_errors_total", "eresp", "Responses that were no good"),
    ("PM", "retry_warnings_total", "wretr", "Connections that were tried again"),
    ("PM", "redispatch_warnings_total", "wredis", "Requests that went to another member instead"),
    ("PM", "client_aborts_total", "cli_abrt", "Transfers that the client broke off"),
    ("P", "member_aborts_total", "srv_abrt", "Transfers that a member broke off"),
    ("M", "server_aborts_total", "srv_abrt", "Transfers that the member broke off"),
    ("P", "active_members", "act", "Members that serve"),
    ("P", "backup_members", "bck", "Backup members"),
    ("M", "weight", "weight", "Weight"),
    ("M", "check_failures_total", "chkfail", "Checks that failed while the member was up"),
    ("PM", "check_up_down_total", "chkdown", "Changes from up to down"),
    ("PM", "check_last_change_seconds", "lastchg", "Seconds since the status changed last"),
    ("PM", "downtime_seconds_total", "downtime", "Seconds of being down"),
    ("M", "current_throttle", "throttle", "Percentage of its share while it starts slowly"),
    ("PM", "loadbalanced_total", "lbtot", "Times that it was chosen"),
    ("M", "idle_connections_current", "srv_icur", "Idle connections that are kept"),
    ("M", "idle_connections_limit", "src_ilim", "Idle connections that may be kept"),
)
_MILLISECONDS = frozenset(f"{name}time{most}" for name in "qcrt" for most in ("", "_max"))
_RESPONSES = ("1xx", "2xx", "3xx", "4xx", "5xx", "other")

# Columns that only grow, so that their values are added over processes.
GROWING = tuple(dict.fromkeys(column for _, name, column, _ in _TABLE if name.endswith("_total"))) + tuple(
    f"hrsp_{code}" for code in _RESPONSES
)

_STATES = ("DOWN", "UP")
_MEMBER_STATES = ("DOWN", "UP", "MAINT", "DRAIN", "NOLB")

# Name, key of `show info`, meaning.
_PROCESS = (
    ("octavia_memory_pool_allocated_bytes", "PoolAlloc_bytes", "Bytes in memory pools"),
    ("octavia_memory_pool_used_bytes", "PoolUsed_bytes", "Bytes of memory pools in use"),
    ("octavia_memory_pool_failures_total", "PoolFailed", "Allocations that failed"),
    ("octavia_loadbalancer_max_connections", "Maxconn", "Connections that may be open at once"),
    ("octavia_loadbalancer_max_ssl_connections", "MaxSslConns", "TLS connections that may be open at once"),
    ("octavia_loadbalancer_current_ssl_connections", "CurrSslConns", "TLS connections that are open"),
    ("octavia_loadbalancer_ssl_connections_total", "CumSslConns", "TLS connections of this process"),
    ("octavia_loadbalancer_current_connection_rate", "ConnRate", "Connections in the last second"),
    ("octavia_loadbalancer_limit_connection_rate", "ConnRateLimit", "Connections a second that are allowed"),
    ("octavia_loadbalancer_max_connection_rate", "MaxConnRate", "Most connections in one second"),
    ("octavia_loadbalancer_current_session_rate", "SessRate", "Sessions in the last second"),
    ("octavia_loadbalancer_limit_session_rate", "SessRateLimit", "Sessions a second that are allowed"),
    ("octavia_loadbalancer_max_session_rate", "MaxSessRate", "Most sessions in one second"),
    ("octavia_loadbalancer_current_ssl_rate", "SslRate", "TLS connections in the last second"),
    ("octavia_loadbalancer_limit_ssl_rate", "SslRateLimit", "TLS connections a second that are allowed"),
    ("octavia_loadbalancer_max_ssl_rate", "MaxSslRate", "Most TLS connections in one second"),
    ("octavia_loadbalancer_current_frontend_ssl_key_rate", "SslFrontendKeyRate", "TLS keys in the last second"),
    ("octavia_loadbalancer_max_frontend_ssl_key_rate", "SslFrontendMaxKeyRate", "Most TLS keys in one second"),
    ("octavia_loadbalancer_frontend_ssl_reuse", "SslFrontendSessionReuse_pct", "Percentage of resumed TLS sessions"),
    ("octavia_loadbalancer_current_backend_ssl_key_rate", "SslBackendKeyRate", "TLS keys to members, last second"),
    ("octavia_loadbalancer_max_backend_ssl_key_rate", "SslBackendMaxKeyRate", "Most TLS keys to members in a second"),
    ("octavia_loadbalancer_ssl_cache_lookups_total", "SslCacheLookups", "Look-ups of TLS sessions"),
    ("octavia_loadbalancer_ssl_cache_misses_total", "SslCacheMisses", "TLS sessions that were not found"),
    ("octavia_loadbalancer_http_comp_bytes_in_total", "CompressBpsIn", "Bytes that were given to compression"),
    ("octavia_loadbalancer_http_comp_bytes_out_total", "CompressBpsOut", "Bytes that compression made of them"),
    ("octavia_loadbalancer_limit_http_comp", "CompressBpsRateLim", "Bytes a second that compression may take"),
    ("octavia_loadbalancer_dropped_flows_total", "DroppedFlows", "Datagrams for which no port or room was left"),
    ("octavia_loadbalancer_dropped_logs_total", "DroppedLogs", "Log lines that could not be sent"),
)


def prometheus_text(rows: Iterable[Row], info: Mapping[str, str], memory_percent: float) -> bytes:
    """Return the text (version 0.0.4) for rows of `show stat`, already added over processes, and for `show info`.

    A column that a row lacks has no sample.
    """
    seen = [row for row in rows if not row["pxname"].startswith(INTERNAL)]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families([*_process(seen, info, memory_percent), *_of_rows(seen)]))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Return the given metrics."""
        return self._families


def _family(name: str, meaning: str, labels: tuple[str, ...] = ()) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    return kind(name, f"{meaning}.", labels=labels)


def _process(rows: list[Row], info: Mapping[str, str], memory_percent: float) -> Iterator[Metric]:
    # HAProxy's own sums would include our requests, and begin at zero with each process.
    listeners = [row for row in rows if row["svname"] == "FRONTEND"]
    sums = (
        ("listeners", len(listeners), "Listeners that are switched on"),
        ("current_connections", _sum(listeners, "scur"), "Connections that are open"),
        ("connections_total", _sum(listeners, "conn_tot"), "Connections so far"),
        ("requests_total", _sum(listeners, "req_tot"), "HTTP requests so far"),
        ("cpu", 100 - float(info.get("Idle_pct", 100)), "Time that the load balancer was busy, in percent"),
        ("memory", memory_percent, "Share of its memory that the load balancer uses, in percent"),
    )
    for name, value, meaning in sums:
        family = _family(f"octavia_loadbalancer_{name}", meaning)
        family.add_metric([], value)
        yield family
    for name, key, meaning in _PROCESS:
        family = _family(name, meaning)
        if info.get(key):
            family.add_metric([], float(info[key]))
        yield family


def _sum(rows: list[Row], column: str) -> int:
    return sum(int(row.get(column) or 0) for row in rows)


def _of_rows(rows: list[Row]) -> Iterator[Metric]:
    for letter, (kind, marker) in _KINDS.items():
        mine = [row for row in rows if (row["svname"] if row["svname"] in ("FRONTEND", "BACKEND") else None) == marker]
        names = ("pool", "member") if kind == "member" else (kind,)
        labelled = [((row["pxname"], row["svname"])[: len(names)], row) for row in mine]
        status = _family(f"octavia_{kind}_status", f"Status of the {kind}", (*names, "state"))
        responses = _family(f"octavia_{kind}_http_responses_total", "HTTP responses so far", (*names, "code"))
        for labels, row in labelled:
            for state in _MEMBER_STATES if kind == "member" else _STATES:
                status.add_metric([*labels, state], _state(row["status"]) == state)
            for code in _RESPONSES:
                if row.get(f"hrsp_{code}"):
                    responses.add_metric([*labels, code], int(row[f"hrsp_{code}"]))
        yield status
        yield responses
        for letters, name, column, meaning in _TABLE:
            if letter in letters:
                family = _family(f"octavia_{kind}_{name}", meaning, names)
                for labels, row in labelled:
                    if row.get(column):
                        family.add_metric(labels, float(row[column]) / (1000 if column in _MILLISECONDS else 1))
                yield family


def _state(status: str) -> str:
    """Return Octavia's word for a status of HAProxy, such as `UP 1/2` or `no check`."""
    word = status.split(" ", maxsplit=1)[0]
    return {"OPEN": "UP", "STOP": "DOWN", "no": "UP"}.get(word, word)
