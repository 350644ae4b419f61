"""The tables of servers and of what hosts join them by: invitations, and the authority that agents trust."""

from msgspec import Struct

from hydria.store.tables import register


class Invitation(Struct, frozen=True, kw_only=True):
    """A token by which one host may join, until `expires_at` (UTC, seconds since the epoch).

    `id` is the hash of the token (SHA-256, hexadecimal). `zone` becomes the host's availability zone.
    """

    id: str
    zone: str = ""
    created_at: str
    expires_at: int


class AgentAuthority(Struct, frozen=True, kw_only=True):
    """The CA that signs the servers' certificates for agents; one row. `sealed` is its key, encrypted by the vault."""

    id: str = "agents"
    certificate: str
    sealed: str


class Server(Struct, frozen=True, kw_only=True):
    """A server of this database that agents of other hosts can poll at `url`.

    `seen_at` is when it was last known to run (UTC, seconds since the epoch).
    """

    id: str
    url: str
    seen_at: int


class SharedKey(Struct, frozen=True, kw_only=True):
    """What a key that all servers share is recognised by: `id` is its file's name. The key cannot be had from it."""

    id: str
    digest: str


register(Invitation, "host_invitations")
register(AgentAuthority, "agent_authorities")
register(Server, "servers")
register(SharedKey, "shared_keys")
