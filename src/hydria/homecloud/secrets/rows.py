"""The stored things of the key manager: one struct for each table, whose names begin with `secrets_`."""

from msgspec import Struct

from hydria.store import register


class Access(Struct, frozen=True, kw_only=True):
    """Who may read a thing besides its project; without `project_access` of the project only its creator."""

    users: tuple[str, ...] = ()
    project_access: bool = True


class Row(Struct, frozen=True, kw_only=True):
    """What all have in common. Times are UTC, `YYYY-MM-DDTHH:MM:SS`, as Barbican prints them."""

    id: str
    project_id: str
    creator_id: str
    name: str | None = None
    created_at: str
    updated_at: str
    acl: Access = Access()


class Secret(Row, frozen=True, kw_only=True):
    """A secret. `payload` is sealed by the vault, None until it is given; `user_metadata` is the user's own."""

    secret_type: str = "opaque"  # noqa: S105 - a kind
    algorithm: str | None = None
    bit_length: int | None = None
    mode: str | None = None
    expiration: str | None = None
    content_type: str | None = None
    payload: str | None = None
    user_metadata: dict[str, str] = {}


class Part(Struct, frozen=True, kw_only=True):
    """What a secret is to its container."""

    name: str | None = None
    secret_id: str


class Container(Row, frozen=True, kw_only=True):
    """Secrets that belong together: `type` is generic, rsa or certificate."""

    type: str
    parts: tuple[Part, ...] = ()


class Consumer(Struct, frozen=True, kw_only=True):
    """Somebody who uses a secret or a container, which `owner_id` names; `said` is what it says of itself."""

    id: str
    owner_id: str
    said: dict[str, str]
    created_at: str


register(Secret, "secrets_secrets", index=(("project_id", "name"),))
register(Container, "secrets_containers", index=(("project_id", "name"),))
register(Consumer, "secrets_consumers", index=(("owner_id",),))
