"""The key manager that the settings choose."""

from pathlib import Path

import pytest

from hydria.adapters.memory import ManualClock
from hydria.compose.barbican import BarbicanAndOthers, barbican_of
from hydria.errors import SettingsError
from hydria.homecloud.secrets import Vault, new_key
from hydria.settings import KeystoneSettings, SecretsSettings, Settings
from tests.support.databases import open_database


class Echo:
    """A service that answers with its name and the question."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def answer(self, question: object, token: str) -> str:
        return f"{self.name} {token}"

    async def undo(self, question: object, answer: object) -> None:
        return


@pytest.mark.parametrize("auth_url", [None, "http://127.0.0.1:1/v3"])
def test_barbican_needs_a_keystone(tmp_path: Path, auth_url: str | None) -> None:
    database, vault = open_database(f"sqlite:///{tmp_path / 'hydria.db'}"), Vault(new_key())
    keystone = KeystoneSettings(auth_url=auth_url, password="p")
    chosen = Settings(keystone=keystone, secrets=SecretsSettings(type="barbican"))
    assert barbican_of(Settings(keystone=keystone), database, vault, ManualClock(), None) is None
    if auth_url is None:
        with pytest.raises(SettingsError, match=r"Set keystone\.auth_url"):
            barbican_of(chosen, database, vault, ManualClock(), None)
    else:
        assert barbican_of(chosen, database, vault, ManualClock(), None) is not None
    database.close()


async def test_questions_that_are_not_for_barbican_go_to_the_other_service() -> None:
    both = BarbicanAndOthers(Echo("barbican"), Echo("neutron"))
    assert await both.answer("subnet", "token") == "neutron token"
