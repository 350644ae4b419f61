"""An L7 policy: an action of a listener for requests that match all rules of the policy."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct

from hydria.model.base import Child
from hydria.model.fields import Maybe, Name, Tag, Text, Uuid

PolicyAction = Literal["REDIRECT_PREFIX", "REDIRECT_TO_POOL", "REDIRECT_TO_URL", "REJECT"]
RedirectCode = Literal[301, 302, 303, 307, 308]
Url = Annotated[str, Meta(max_length=255, extra={"format": "url"}, extra_json_schema={"format": "uri"})]

# The position of a policy that has none: the end.
LAST = 2147483647
Position = Annotated[int, Meta(ge=1, le=LAST)]


class L7Policy(Child, frozen=True, kw_only=True):
    """The stored policy; `position` counts from 1 without gaps over a listener's policies."""

    listener_id: str
    description: str = ""
    action: PolicyAction
    redirect_pool_id: str | None = None
    redirect_url: str | None = None
    redirect_prefix: str | None = None
    redirect_http_code: RedirectCode | None = None
    position: int


class L7PolicyForm(Struct, kw_only=True):
    """The attributes in every body of a policy."""

    name: Maybe[Name] = UNSET
    description: Maybe[Text] = UNSET
    admin_state_up: Maybe[bool] = UNSET
    action: Maybe[PolicyAction] = UNSET
    redirect_url: Maybe[Url] = UNSET
    redirect_prefix: Maybe[Url] = UNSET
    redirect_http_code: Maybe[RedirectCode] = UNSET
    position: Maybe[Position] = UNSET
    tags: Maybe[list[Tag]] = UNSET


class L7PolicyUpdate(L7PolicyForm, kw_only=True):
    """The body of an update."""

    redirect_pool_id: Maybe[Uuid] = UNSET


class L7PolicyBody(L7PolicyForm, kw_only=True):
    """The policy's own attributes in a create, nested or not."""

    id: Maybe[Uuid] = UNSET
    action: PolicyAction
