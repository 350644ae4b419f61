"""The caller of an API. Pure."""

from msgspec import Struct


class Caller(Struct, frozen=True, kw_only=True):
    """The authenticated caller of a request. Ids decide; names are for logs and answers."""

    user_id: str
    project_id: str | None = None
    roles: frozenset[str] = frozenset()
    user_name: str = ""
    project_name: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether the caller has the role `admin`."""
        return "admin" in self.roles
