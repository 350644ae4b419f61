"""The Barbican of the settings as the key manager."""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from msgspec import Struct

from hydria.barbican.answers import BarbicanAnswers
from hydria.barbican.pasting import store_certificate
from hydria.barbican.references import BarbicanSecrets
from hydria.barbican.rows import Wanted
from hydria.barbican.worker import BarbicanWorker
from hydria.errors import SettingsError
from hydria.http.outside import Outside
from hydria.protocols import Clock, Secrets, StoreCertificate, Vault
from hydria.settings import Settings
from hydria.store import Database, Transaction


class BarbicanParts(Struct, frozen=True, kw_only=True):
    """The parts of a server that have to do with Barbican."""

    secrets_of: Callable[[Transaction], Secrets]
    outside: Outside
    worker: BarbicanWorker
    store_certificate: StoreCertificate


class BarbicanAndOthers:
    """An `Outside` that leaves all questions to another one that are not for Barbican."""

    def __init__(self, barbican: Outside, others: Outside | None) -> None:
        self._barbican = barbican
        self._others = others

    async def answer(self, question: Hashable, token: str) -> Any:
        """Return the answer. Raises a Refusal."""
        return await self._of(question).answer(question, token)

    async def undo(self, question: Hashable, answer: Any) -> None:
        """Undo what a question has made."""
        await self._of(question).undo(question, answer)

    def _of(self, question: Hashable) -> Outside:
        if self._others is None or isinstance(question, Wanted):
            return self._barbican
        return self._others


def barbican_of(
    settings: Settings, database: Database, vault: Vault, clock: Clock, others: Outside | None
) -> BarbicanParts | None:
    """Return the parts, or None for the home cloud's key manager. `others` answers other questions.

    Raises SettingsError.
    """
    if settings.secrets.type != "barbican":
        return None
    if settings.keystone.auth_url is None:
        raise SettingsError("secrets.type: barbican needs a Keystone to log in. Set keystone.auth_url.")
    try:
        # An optional dependency: the extra `openstack`.
        from hydria.adapters.openstack.barbican import Barbican  # noqa: PLC0415
        from hydria.adapters.openstack.session import Service  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise SettingsError(
            f"secrets.type: needs {missing.name}, which is not installed: pip install 'hydria[openstack]'"
        ) from None
    chosen = settings.secrets
    # The endpoint is with or without the version.
    url = chosen.url and chosen.url.rstrip("/").removesuffix("/v1")
    service = Service(
        settings.keystone, clock, kind="key-manager", name="Barbican", url=url, timeout=chosen.timeout_seconds
    )
    barbican = Barbican(service)
    return BarbicanParts(
        secrets_of=lambda transaction: BarbicanSecrets(transaction, vault),
        outside=BarbicanAndOthers(BarbicanAnswers(barbican, database, vault, clock), others),
        worker=BarbicanWorker(barbican, database, vault, clock),
        store_certificate=partial(store_certificate, barbican),
    )
