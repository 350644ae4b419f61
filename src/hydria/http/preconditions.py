"""Optimistic concurrency: `If-Match` refuses a change when the resource has changed since the caller saw it."""

from hydria.errors import PreconditionFailed


def check_if_match(header: str, tag: str) -> None:
    """Refuse (412) a request whose `If-Match` does not name the current tag. Raises PreconditionFailed.

    `If-Match` takes no weak tags (RFC 9110, 13.1.1), but a proxy may have weakened a strong one (`W/"…"`) on its way.
    """
    if header.strip() == "*":
        return
    if tag not in [_opaque(name) for name in header.split(",")]:
        raise PreconditionFailed(f'The resource has changed: its ETag is "{tag}", If-Match names {header}.')


def _opaque(tag: str) -> str:
    return tag.strip().removeprefix("W/").strip('"')
