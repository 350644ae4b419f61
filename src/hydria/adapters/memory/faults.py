"""Faults on demand for the memory adapters."""

from msgspec import Struct


class _Fault(Struct):
    error: Exception
    after: bool
    times: int | None


class Faults:
    """Errors by verb. A verb raises its error before its effect or after it."""

    def __init__(self) -> None:
        self._faults: dict[str, _Fault] = {}

    def set(self, verb: str, error: Exception, *, after: bool = False, times: int | None = None) -> None:
        """Make `verb` raise `error`: before its effect or `after` it, `times` times or until it is cleared."""
        self._faults[verb] = _Fault(error, after, times)

    def clear(self, verb: str | None = None) -> None:
        """Remove the fault of a verb, or all faults."""
        if verb is None:
            self._faults.clear()
        else:
            self._faults.pop(verb, None)

    def raise_if_set(self, verb: str, *, after: bool = False) -> None:
        """Raise the fault that is set for a verb, if it is set for before (or `after`) its effect."""
        fault = self._faults.get(verb)
        if fault is None or fault.after is not after:
            return
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                del self._faults[verb]
        raise fault.error
