"""Work of a transaction that needs answers from a service outside, such as Neutron.

A transaction must not wait for another service. Work that needs an answer raises `Unanswered`, its transaction is
rolled back, the answer is fetched, and the work runs again with it. So questions are asked only after authentication,
by the code that needs the answers, and never inside a transaction. A question may be an order, such as to create a
port: what it made is undone when the work fails.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar

import structlog
from msgspec import Struct

from hydria.errors import Refusal, Unavailable
from hydria.store import Database, Transaction
from hydria.store.transaction import Unanswered

R = TypeVar("R")

log = structlog.get_logger(__name__)

# How many questions one request may ask.
_MOST = 200


class Outside(Protocol):
    """A service outside of the database."""

    async def answer(self, question: Hashable, token: str) -> Any:
        """Return the answer. Raises a Refusal, which is Unavailable when the service does not answer.

        `token` is that of the call, by which the service can be asked what its user may see.
        """
        ...

    async def undo(self, question: Hashable, answer: Any) -> None:
        """Undo what a question has made, as far as that is possible. Must not raise."""
        ...


class Asker(Struct, frozen=True):
    """The service that answers, and the token of the call that asks, empty without one."""

    service: Any  # an Outside: a protocol, which msgspec cannot check
    token: str = ""


async def run_with_answers(
    database: Database, asker: Asker, work: Callable[[Transaction], R], *, writing: bool, single: bool
) -> R:
    """Run `work` as `Database.run` does, with answers to its questions. Raises Unavailable without an answer."""
    outside = asker.service
    answers: dict[Hashable, Any] = {}
    asked: list[Hashable] = []
    worked = dry_run = False

    def answered(transaction: Transaction) -> R:
        nonlocal worked, dry_run
        worked = False
        transaction.answers = answers
        try:
            result = work(transaction)
        finally:
            dry_run = transaction.dry_run
        worked = True
        return result

    try:
        while True:
            try:
                result = await database.run(answered, writing=writing, single=single)
                if dry_run:
                    await asyncio.shield(_undo(outside, asked, answers))
                return result
            except Unanswered as pending:
                question = pending.question
            if len(asked) >= _MOST:
                raise Unavailable("The request needs too many answers from other services. Make it smaller.")
            answers[question] = await _answer(asker, question)
            asked.append(question)
    except BaseException:
        # When the commit failed, it may have happened all the same: a sweep decides later.
        if dry_run or not worked:
            await asyncio.shield(_undo(outside, asked, answers))
        raise


async def _answer(asker: Asker, question: Hashable) -> Any:
    try:
        return await asker.service.answer(question, asker.token)
    except Unavailable:
        raise
    except Refusal as refusal:
        # The work decides what a refusal means.
        return refusal


async def _undo(outside: Outside, asked: list[Hashable], answers: dict[Hashable, Any]) -> None:
    for question in reversed(asked):
        if not isinstance(answers[question], Refusal):
            await outside.undo(question, answers[question])
