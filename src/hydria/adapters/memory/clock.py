"""A clock that stands still until it is told to move."""

from datetime import UTC, datetime, timedelta


class ManualClock:
    """Implements `hydria.protocols.Clock`."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """`start` is aware."""
        self._start = start
        self._passed = 0.0

    def now(self) -> datetime:
        """Return the time in UTC, aware."""
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        """Return the seconds that passed since the clock was made."""
        return self._passed

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        """Let time pass. Raises ValueError for a step back."""
        step = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
        if step < 0:
            raise ValueError(f"time does not go back: {step} s")
        self._passed += step
