"""Claims: of several servers on one database only one works on a load balancer at a time."""

import uuid

from hydria.neutron.rows import Claim
from hydria.protocols import Clock
from hydria.store import Database, Transaction, columns

# How long a claim holds that nobody gives up (seconds): longer than any attempt takes.
_SECONDS = 60


class Claims:
    """The claims of this server. A database in this process has no other server, and so needs none."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._holder = str(uuid.uuid4())
        self.needed = not database.embedded

    async def take(self, load_balancer_id: str) -> bool:
        """Claim a load balancer; return False while another server has it."""
        if not self.needed:
            return True
        now = int(self._clock.now().timestamp())
        wanted = Claim(id=load_balancer_id, holder=self._holder, until=now + _SECONDS)

        def work(transaction: Transaction) -> bool:
            if transaction.ensure(wanted):
                return True
            there = transaction.hold(Claim, load_balancer_id)
            if there is not None and there.holder != self._holder and there.until > now:
                return False
            transaction.update(wanted)
            return True

        return await self._database.run(work, writing=True)

    async def give_up(self, load_balancer_id: str) -> None:
        """Give a claim up."""
        if self.needed:
            c = columns(Claim)
            mine = (c.id == load_balancer_id, c.holder == self._holder)
            await self._database.run(lambda transaction: transaction.delete(Claim, *mine), writing=True)
