"""The order in which a host brings its amphorae back after a restart: the ones with the most traffic first."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from hydria.contract import Counters
from hydria.files import write_private

log = structlog.get_logger(__name__)

# How often the order is written down (seconds).
WRITE_PERIOD = 30.0
# The share of an amphora's traffic that still counts after such a period.
_DECAY = 0.5
# The traffic of the busiest one in a file that an earlier version wrote, which has only the order (bytes).
_ASSUMED = 1e6


class Busiest:
    """The traffic of the amphorae; newer traffic counts more. It is in a file, so that it outlives a reboot."""

    def __init__(self, file: Path) -> None:
        self._file = file
        # By amphora id: the bytes so far, and those of the last periods.
        self._bytes: dict[str, int] = {}
        self._recent: dict[str, float] = {}
        self._write_at = 0.0
        # Whether an amphora that is not in the file had no traffic when it was written. A file is written also before
        # there is any traffic, so that a restarted agent knows that what it finds is new.
        self._whole = self._read()
        self._written = self._whole

    def order(self) -> list[str]:
        """Return the ids of amphorae with traffic, also before a restart, the busiest first."""
        return sorted(self._recent, key=lambda key: self._recent[key], reverse=True)

    def note(self, amphora_id: str, counters: Mapping[str, Counters], now: float) -> None:
        """Take the counters of an amphora; `now` is a monotonic time (seconds)."""
        total = sum(each.bytes_in + each.bytes_out for each in counters.values())
        passed = total - self._bytes.get(amphora_id, 0 if self._whole else total)
        self._bytes[amphora_id] = total
        if passed > 0:
            self._recent[amphora_id] = self._recent.get(amphora_id, 0.0) + passed
        if now > self._write_at and (self._recent or not self._written):
            self._write_at = now + WRITE_PERIOD
            self._write()

    def forget(self, amphora_id: str) -> None:
        """Forget an amphora that was removed."""
        self._bytes.pop(amphora_id, None)
        self._recent.pop(amphora_id, None)

    def _read(self) -> bool:
        try:
            written = msgspec.json.decode(self._file.read_bytes(), type=dict[str, tuple[int, float]] | list[str])
        except (OSError, msgspec.DecodeError):
            return False
        if isinstance(written, list):
            # An earlier version wrote the order only.
            self._recent = {key: _ASSUMED / place for place, key in enumerate(written, 1)}
            return False
        self._bytes = {key: total for key, (total, _) in written.items()}
        self._recent = {key: recent for key, (_, recent) in written.items() if recent}
        return True

    def _write(self) -> None:
        known = {key: (total, self._recent.get(key, 0.0)) for key, total in self._bytes.items() if total}
        # What had less than a byte is as quiet as those without traffic.
        self._recent = {key: rest for key, each in self._recent.items() if (rest := each * _DECAY) >= 1}
        try:
            write_private(self._file, msgspec.json.encode(known))
            self._written = True
        except OSError as error:
            log.warning("order_of_amphorae_not_written", reason=str(error))
