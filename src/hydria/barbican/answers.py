"""The answers to API calls that name a new reference (`hydria.http.outside.Outside`)."""

from collections.abc import Hashable
from typing import Any

import structlog

from hydria.barbican.calls import Calls
from hydria.barbican.reading import check_visible, read
from hydria.barbican.rows import Reading, Wanted
from hydria.barbican.situation import store
from hydria.errors import NotFound
from hydria.protocols import Clock, Vault
from hydria.store import Database

log = structlog.get_logger(__name__)


class BarbicanAnswers:
    """Asks Barbican, first with the token of the call, then as Hydria's user, and keeps what that reads."""

    def __init__(self, barbican: Calls, database: Database, vault: Vault, clock: Clock) -> None:
        self._barbican = barbican
        self._database = database
        self._vault = vault
        self._clock = clock

    async def answer(self, question: Hashable, token: str) -> Any:
        """Return the PEM text of a `Wanted`. Raises NotFound, Invalid, Unavailable."""
        if not isinstance(question, Wanted):
            raise TypeError(f"Barbican does not answer {question}")
        try:
            await check_visible(self._barbican, question.reference, token)
            text = await read(self._barbican, question)
        except NotFound as refusal:
            # The user only gets Octavia's sentence, which does not say why.
            log.info("secret_refused", reference=question.reference, reason=refusal.message)
            raise
        reading = Reading(wanted=question, text=text)
        await self._database.run(lambda tx: store(tx, self._vault, [reading], self._clock.now()), writing=True)
        return text

    async def undo(self, question: Hashable, answer: Any) -> None:
        """Undo nothing: what load balancers do not refer to is removed later."""
