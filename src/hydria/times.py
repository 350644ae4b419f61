"""Times as the APIs print and read them. All texts are UTC."""

from datetime import UTC, datetime


def stamp(moment: datetime) -> str:
    """Return `2026-11-28T23:59:59`, as Octavia and Barbican print times."""
    return _naive(moment).isoformat(timespec="seconds")


def zoned_stamp(moment: datetime) -> str:
    """Return `2026-11-28T23:59:59Z`, as Neutron prints times."""
    return f"{stamp(moment)}Z"


def precise_stamp(moment: datetime) -> str:
    """Return `2026-11-28T23:59:59.000000`, as Keystone prints the ends of application credentials."""
    return _naive(moment).isoformat(timespec="microseconds")


def precise_zoned_stamp(moment: datetime) -> str:
    """Return `2026-11-28T23:59:59.000000Z`, as Keystone prints the times of tokens."""
    return f"{precise_stamp(moment)}Z"


def from_text(text: str) -> datetime:
    """Return the time of a text in ISO 8601; one without a zone is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"The zone shifts {text} out of the range of years.") from error


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
