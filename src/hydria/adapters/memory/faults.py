"""Failures to come: what makes a memory adapter fail when it is asked to."""

from msgspec import Struct


class _Fault(Struct):
    error: Exception
    after: bool
    times: int | None


class Faults:
    """Errors by the verb that shall raise them, before its effect or after it."""

    def __init__(self) -> None:
        self._faults: dict[str, _Fault] = {}

    def set(self, verb: str, error: Exception, *, after: bool = False, times: int | None = None) -> None:
        """Let `verb` raise `error`: `after` its effect or before it, `times` times or until it is cleared."""
        self._faults[verb] = _Fault(error, after, times)

    def clear(self, verb: str | None = None) -> None:
        """Let a verb work again, all of them without one."""
        if verb is None:
            self._faults.clear()
        else:
            self._faults.pop(verb, None)

    def raise_if_set(self, verb: str, *, after: bool = False) -> None:
        """Raise what is set for this moment of a verb, if anything is."""
        fault = self._faults.get(verb)
        if fault is None or fault.after is not after:
            return
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                del self._faults[verb]
        raise fault.error
