"""An L7 rule: one condition of an L7 policy."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct

from hydria.model.base import Child
from hydria.model.fields import Maybe, ProjectId, Tag, Uuid

RuleType = Literal[
    "COOKIE",
    "FILE_TYPE",
    "HEADER",
    "HOST_NAME",
    "PATH",
    "SSL_CONN_HAS_CERT",
    "SSL_DN_FIELD",
    "SSL_VERIFY_RESULT",
]
CompareType = Literal["CONTAINS", "ENDS_WITH", "EQUAL_TO", "REGEX", "STARTS_WITH"]
Line = Annotated[str, Meta(max_length=255, pattern=r"^[^\r\n]*\Z")]

# The most rules that one policy may have.
MOST_RULES = 50


class L7Rule(Child, frozen=True, kw_only=True):
    """The stored rule; `key` names the header, cookie or field, and is None for types that need no name."""

    l7policy_id: str
    type: RuleType
    compare_type: CompareType
    key: str | None = None
    value: str
    invert: bool = False


class L7RuleUpdate(Struct, kw_only=True):
    """The body of an update."""

    type: Maybe[RuleType] = UNSET
    compare_type: Maybe[CompareType] = UNSET
    key: Maybe[Line] = UNSET
    value: Maybe[Line] = UNSET
    invert: Maybe[bool] = UNSET
    admin_state_up: Maybe[bool] = UNSET
    tags: Maybe[list[Tag]] = UNSET


class L7RuleBody(L7RuleUpdate, kw_only=True):
    """The rule's own attributes in a create, nested or not."""

    id: Maybe[Uuid] = UNSET
    type: RuleType
    compare_type: CompareType
    value: Line


class L7RuleCreate(L7RuleBody, kw_only=True):
    """The body of a create."""

    project_id: Maybe[ProjectId] = UNSET
