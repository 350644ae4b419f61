"""What keeps a client with one member: a stick table or a cookie. Pure."""

from hydria.model import Pool
from hydria.render.quoting import argument, quote

# As many clients are remembered; the ones that were away longest are forgotten first.
_CLIENTS = "10k"
_LONGEST_COOKIE = 64


def persistence_lines(pool: Pool) -> list[str]:
    """Return what a pool's session persistence asks of its backend."""
    persistence = pool.session_persistence
    if persistence is None:
        return []
    if persistence.type == "SOURCE_IP":
        # It holds IPv4 addresses as well.
        return [f"stick-table type ipv6 size {_CLIENTS}", "stick on src"]
    if persistence.type == "HTTP_COOKIE":
        return ["cookie SRV insert indirect nocache dynamic", f"dynamic-cookie-key {cookie_key(pool)}"]
    name = argument(persistence.cookie_name or "")
    return [
        f"stick-table type string len {_LONGEST_COOKIE} size {_CLIENTS}",
        f"stick store-response {quote(f'res.cook({name})')}",
        f"stick match {quote(f'req.cook({name})')}",
    ]


def table_keys(pool: Pool) -> str | None:
    """Return what a backend's stick table knows clients by, None where there is no table to carry over."""
    persistence = pool.session_persistence
    if persistence is None or persistence.type == "HTTP_COOKIE":
        return None
    return "source" if persistence.type == "SOURCE_IP" else f"cookie {persistence.cookie_name}"


def cookie_key(pool: Pool) -> str | None:
    """Return what the cookies of a pool's members are derived from, with their addresses; None where there are none.

    A server that is added while HAProxy runs takes no cookie of its own.
    """
    by_cookie = pool.session_persistence is not None and pool.session_persistence.type == "HTTP_COOKIE"
    return pool.id if by_cookie else None
