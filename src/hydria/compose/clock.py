"""The system's clock."""

from datetime import UTC, datetime
from time import monotonic


class SystemClock:
    """Implements `hydria.protocols.Clock` by the system's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return monotonic()
