"""A certificate authority in memory, with one challenge for each name. It fails on demand."""

from collections.abc import Callable, Mapping, Sequence

from hydria.adapters.memory.faults import Faults


class MemoryAuthority:
    """Implements `hydria.protocols.CertificateAuthority`.

    `make` makes certificates, as PEM of leaf, intermediates and private key. `check` is called before, with the
    challenges, and raises when they are not answered. `faults` has the verbs `order` and `finish`. `orders` are the
    names of each order so far.
    """

    def __init__(self, make: Callable[[Sequence[str]], str], check: Callable[[Mapping[str, str]], None]) -> None:
        self.faults = Faults()
        self.orders: list[tuple[str, ...]] = []
        self.make = make
        self.check = check

    def order(self, names: Sequence[str]) -> "MemoryOrder":
        self.faults.raise_if_set("order")
        self.orders.append(tuple(names))
        return MemoryOrder(self, names, len(self.orders))


class MemoryOrder:
    """Implements `hydria.protocols.CertificateOrder`."""

    def __init__(self, authority: MemoryAuthority, names: Sequence[str], number: int) -> None:
        self._authority = authority
        self._names = names
        self.challenges = {f"token-{number}-{name}": f"answer-{number}-{name}" for name in names}

    def finish(self) -> str:
        self._authority.faults.raise_if_set("finish")
        self._authority.check(self.challenges)
        return self._authority.make(self._names)
