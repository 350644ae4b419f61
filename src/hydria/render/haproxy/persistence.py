"""Session persistence: a stick table or a cookie. Pure."""

from hydria.model import Pool
from hydria.render.haproxy.peers import PEERS
from hydria.render.quoting import argument, quote

# The size of a stick table; the clients that were away longest are forgotten first.
_CLIENTS = "10k"
_LONGEST_COOKIE = 64


def persistence_lines(pool: Pool, *, shared: bool = False) -> list[str]:
    """Return the lines of a pool's session persistence in its backend; `shared` says that siblings have the table."""
    persistence = pool.session_persistence
    if persistence is None:
        return []
    words = f" peers {PEERS}" if shared else ""
    if persistence.type == "SOURCE_IP":
        # The type also holds IPv4 addresses.
        return [f"stick-table type ipv6 size {_CLIENTS}{words}", "stick on src"]
    if persistence.type == "HTTP_COOKIE":
        return ["cookie SRV insert indirect nocache dynamic", f"dynamic-cookie-key {cookie_key(pool)}"]
    name = argument(persistence.cookie_name or "")
    return [
        f"stick-table type string len {_LONGEST_COOKIE} size {_CLIENTS}{words}",
        f"stick store-response {quote(f'res.cook({name})')}",
        f"stick match {quote(f'req.cook({name})')}",
    ]


def table_keys(pool: Pool) -> str | None:
    """Return the meaning of the keys of a backend's stick table, None where there is no table to carry over."""
    persistence = pool.session_persistence
    if persistence is None or persistence.type == "HTTP_COOKIE":
        return None
    return "source" if persistence.type == "SOURCE_IP" else f"cookie {persistence.cookie_name}"


def cookie_key(pool: Pool) -> str | None:
    """Return the key from which the cookies of a pool's members are derived; None where there are no cookies.

    Derived cookies are needed because a server that is added at runtime cannot have a cookie option.
    """
    by_cookie = pool.session_persistence is not None and pool.session_persistence.type == "HTTP_COOKIE"
    return pool.id if by_cookie else None
