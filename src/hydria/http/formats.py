"""Formats that a form's field may name (`hydria.model.fields`): each function returns the value as it is stored."""

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from hydria.model.addresses import canonical_cidr, canonical_ip, canonical_mac

# RFC 3986: a path of percent-encoded and plain characters, then maybe a query.
_URL_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*(?:\?(?:[!$&-\[\]-~]|%[0-9A-Fa-f]{2})*)?")

# RFC 3986 with the scheme http or https and a host; any printable character in the query.
_URL = re.compile(
    r"https?://(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?"
    r"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?"
    r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?(?:[?#][!-~]*)?",
    re.IGNORECASE,
)


def _uuid(value: Any) -> str:
    return str(uuid.UUID(value))


def _url_path(value: str) -> str:
    if not _URL_PATH.fullmatch(value):
        raise ValueError(value)
    return value


def _url(value: str) -> str:
    if not _URL.fullmatch(value):
        raise ValueError(value)
    return value


# The function and the problem where it raises ValueError, TypeError or AttributeError.
FORMATS: Mapping[str, tuple[Callable[[Any], str], str]] = {
    "uuid": (_uuid, "not_uuid"),
    "ipaddress": (canonical_ip, "not_ip"),
    "cidr": (canonical_cidr, "not_cidr"),
    "mac": (canonical_mac, "not_mac"),
    "url_path": (_url_path, "not_url_path"),
    "url": (_url, "not_url"),
}

# Formats whose problem is the answer to a value of another type, too.
ANY_TYPE = frozenset({"uuid", "ipaddress"})
