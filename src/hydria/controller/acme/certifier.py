"""The loop that gets certificates by ACME and renews them in time. A crash anywhere costs at most one more order."""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

import structlog
from cryptography import x509
from msgspec import structs

from hydria.backoff import uniform
from hydria.controller.acme.threads import run_in_daemon_thread
from hydria.controller.acme.wanted import Wanted, wanted
from hydria.errors import AuthorityError, Unavailable
from hydria.model import LoadBalancer
from hydria.model.acme import names_in
from hydria.protocols import CertificateAuthority, Clock, Vault
from hydria.store import Database, Transaction, columns
from hydria.store.certificates import AcmeOrder
from hydria.store.generations import bump_where
from hydria.times import stamp

log = structlog.get_logger(__name__)

# How often the loop looks for work (seconds).
PERIOD = 2.0
# For how long a server has an order to itself (seconds), which is longer than an attempt takes.
_LEASE = 600
# How long amphorae may take until they answer challenges (seconds).
_PATIENCE = 120.0
# How often their answers are checked (seconds).
_LOOK = 0.2
# The first and the longest pause after a failed attempt (seconds). Let's Encrypt allows five failures an hour.
_PAUSE, _LONGEST = 60, 6 * 3600
# By how much a pause may be longer.
_SPREAD = 1.25


class Certifier:
    """Orders the certificates that listeners need, lets amphorae answer the challenges, and stores the certificates."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        authority: CertificateAuthority,
        vault: Vault,
        *,
        uniform: Callable[[float, float], float] = uniform,
    ) -> None:
        """`uniform` draws a number between two others: orders that failed together should not be repeated together."""
        self._database = database
        self._clock = clock
        self._authority = authority
        self._vault = vault
        self._uniform = uniform
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set. Unfinished orders are started again by the next run."""
        while not stop.is_set():
            try:
                await self.take_up()
            except Unavailable as error:
                log.warning("acme_waits", reason=str(error))
            except Exception:
                log.exception("acme_failed")
            try:
                async with asyncio.timeout(PERIOD):
                    await stop.wait()
            except TimeoutError:
                continue
        for task in self._under_way:
            task.cancel()
        await self.finished()

    async def take_up(self) -> None:
        """Start the orders that are due."""
        now = self._clock.now()
        if not await self._database.run(partial(_is_due, now=now), writing=False):
            return
        for order in await self._database.run(partial(_claim, now=now), writing=True):
            task = asyncio.create_task(self._obtain(order))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def finished(self) -> None:
        """Wait until all started orders are finished."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _obtain(self, order: AcmeOrder) -> None:
        names = names_in(order.reference) or ()
        try:
            pending = await run_in_daemon_thread(partial(self._authority.order, names))
            if pending.challenges:
                present = partial(_present, order=order, challenges=dict(pending.challenges), now=self._clock.now())
                await self._answered(await self._database.run(present, writing=True))
            pem = await run_in_daemon_thread(pending.finish)
        except AuthorityError as error:
            log.warning("certificate_refused", reference=order.reference, project=order.project_id, reason=str(error))
            await self._fail(order, str(error))
        except Exception:
            log.exception("certificate_failed", reference=order.reference, project=order.project_id)
            await self._fail(order, "The server failed at it; its log says at what.")
        else:
            kept = partial(_keep, order=order, pem=pem, sealed=self._vault.seal(pem.encode()), now=self._clock.now())
            await self._database.run(kept, writing=True)
            log.info("certificate_obtained", reference=order.reference, project=order.project_id)

    async def _fail(self, order: AcmeOrder, reason: str) -> None:
        # Never less than the pause, because authorities limit failures.
        least = _pause(order.failures + 1)
        pause = self._uniform(least, _SPREAD * least)
        failed = partial(_fail, order=order, reason=reason, pause=pause, now=self._clock.now())
        await self._database.run(failed, writing=True)

    async def _answered(self, generations: Mapping[str, int]) -> None:
        """Wait until load balancers serve these generations. Raises AuthorityError if one fails or takes too long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE
        while True:
            late = await self._database.run(partial(_late, generations=generations), writing=False)
            if not late:
                return
            for each in late:
                if each.reason is not None and each.failed >= generations[each.id]:
                    raise AuthorityError(f"Load balancer {each.id} cannot answer the authority: {each.reason}")
            if loop.time() >= until:
                raise AuthorityError(
                    f"Load balancer {late[0].id} did not serve the answer to the authority within {_PATIENCE:.0f} s. "
                    "See its status: openstack loadbalancer status show"
                )
            await asyncio.sleep(_LOOK)


def _is_due(transaction: Transaction, now: datetime) -> bool:
    """Return whether `_claim` would change anything. Only reads."""
    wants, orders = wanted(transaction), transaction.find(AcmeOrder)
    known = {Wanted(each.project_id, each.reference): each for each in orders}
    return any(
        want not in known or (answering and known[want].due <= now.timestamp()) for want, answering in wants.items()
    ) or any(want not in wants and _over(order, now) for want, order in known.items())


def _claim(transaction: Transaction, now: datetime) -> list[AcmeOrder]:
    """Store new orders, delete those that are not needed any more, and claim those that are due."""
    wants = wanted(transaction)
    for want in wants:
        transaction.ensure(
            AcmeOrder(
                id=str(uuid.uuid4()),
                project_id=want.project_id,
                reference=want.reference,
                created_at=stamp(now),
                updated_at=stamp(now),
                due=int(now.timestamp()),
            )
        )
    claimed = []
    for order in transaction.find(AcmeOrder):
        want = Wanted(order.project_id, order.reference)
        if want not in wants:
            # A certificate that may be wanted again is kept, as that costs nothing.
            if _over(order, now):
                transaction.delete(AcmeOrder, columns(AcmeOrder).id == order.id)
        elif wants[want] and order.due <= now.timestamp():
            taken = structs.replace(order, due=int(now.timestamp()) + _LEASE)
            transaction.update(taken)
            claimed.append(taken)
    return claimed


def _over(order: AcmeOrder, now: datetime) -> bool:
    # An order that a server works on has a lease.
    at_work = order.sealed is None and order.failures == 0 and order.due > now.timestamp()
    return not at_work and (order.not_after is None or order.not_after <= stamp(now))


def _present(
    transaction: Transaction, order: AcmeOrder, challenges: dict[str, str], now: datetime
) -> Mapping[str, int]:
    """Let amphorae answer the challenges; return the generations that do so, by load balancer."""
    _write(transaction, structs.replace(order, challenges=challenges, updated_at=stamp(now)))
    return _serve_anew(transaction, order)


def _pause(failures: int) -> float:
    return float(min(_PAUSE * 4 ** min(failures - 1, 9), _LONGEST))


def _fail(transaction: Transaction, order: AcmeOrder, reason: str, pause: float, now: datetime) -> None:
    failed = structs.replace(
        order,
        failures=order.failures + 1,
        reason=reason,
        due=int(now.timestamp() + pause),
        challenges={},
        updated_at=stamp(now),
    )
    if _write(transaction, failed):
        _serve_anew(transaction, order)


def _keep(transaction: Transaction, order: AcmeOrder, pem: str, sealed: str, now: datetime) -> None:
    leaf = x509.load_pem_x509_certificate(pem.encode())
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    # When a third of its life is left, as authorities advise.
    due = int((begin + (end - begin) * 2 / 3).timestamp())
    kept = structs.replace(
        order,
        sealed=sealed,
        not_after=stamp(end),
        due=max(due, int(now.timestamp()) + 1),
        failures=0,
        reason=None,
        challenges={},
        updated_at=stamp(now),
    )
    _write(transaction, kept)
    _serve_anew(transaction, order)


def _write(transaction: Transaction, order: AcmeOrder) -> bool:
    """Store an order; return whether amphorae had its challenges before."""
    before = transaction.hold(AcmeOrder, order.id)
    if before is not None:
        transaction.update(order)
    return before is not None and bool(before.challenges)


def _serve_anew(transaction: Transaction, order: AcmeOrder) -> Mapping[str, int]:
    """Count a change of the load balancers that refer to an order, so that it is served."""
    answering = wanted(transaction).get(Wanted(order.project_id, order.reference), set())
    changed = columns(LoadBalancer).id.in_(answering)
    return bump_where(transaction, changed, cause="certificate challenges changed")


def _late(transaction: Transaction, generations: Mapping[str, int]) -> list[LoadBalancer]:
    """Return the load balancers that do not serve a generation yet; those that are gone are left out."""
    c = columns(LoadBalancer)
    found = transaction.find(LoadBalancer, c.id.in_(generations.keys()), c.deleted_in.is_(None))
    return [each for each in found if each.observed < generations[each.id]]
