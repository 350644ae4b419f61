"""The rows of the key manager: one struct for each table. The tables' names begin with `secrets_`."""

from msgspec import Struct

from hydria.store import register


class Access(Struct, frozen=True, kw_only=True):
    """An access list: users besides the project; without `project_access`, only the creator of the project's."""

    users: tuple[str, ...] = ()
    project_access: bool = True


class Row(Struct, frozen=True, kw_only=True):
    """The attributes that secrets and containers share. Times are UTC, `YYYY-MM-DDTHH:MM:SS`."""

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
    """A secret in a container, with its name there."""

    name: str | None = None
    secret_id: str


class Container(Row, frozen=True, kw_only=True):
    """A named group of secrets: `type` is generic, rsa or certificate."""

    type: str
    parts: tuple[Part, ...] = ()


class Consumer(Struct, frozen=True, kw_only=True):
    """A consumer of a secret or container, whose id is `owner_id`; `said` is the registered description."""

    id: str
    owner_id: str
    said: dict[str, str]
    created_at: str


register(Secret, "secrets_secrets", index=(("project_id", "name"),))
register(Container, "secrets_containers", index=(("project_id", "name"),))
register(Consumer, "secrets_consumers", index=(("owner_id",),))
