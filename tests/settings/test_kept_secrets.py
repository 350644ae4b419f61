"""Secrets in state_dir are made once, are durable, and are refused when they are damaged."""

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from hydria.compose.credentials import (
    AGENT_SECRET,
    SECRETS_KEY,
    TOKEN_KEY,
    SecretFile,
    agent_secret,
    kept_secret,
    refuse_damaged,
)
from hydria.errors import HostError
from hydria.settings import Settings

_KINDS = [AGENT_SECRET, SECRETS_KEY, TOKEN_KEY]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state")


def _never() -> bytes:
    raise AssertionError("a secret that is there was made anew")


@pytest.mark.parametrize("kind", _KINDS)
def test_a_secret_is_made_once_and_private(settings: Settings, kind: SecretFile) -> None:
    made = kept_secret(settings, kind, Fernet.generate_key)
    file = settings.state_dir / kind.name
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    assert kept_secret(settings, kind, _never) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    refuse_damaged(settings)


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"\0" * 44, b"with a space in it, which no header may have"])
def test_a_damaged_secret_is_refused_and_not_changed(settings: Settings, kind: SecretFile, content: bytes) -> None:
    settings.state_dir.mkdir()
    file = settings.state_dir / kind.name
    file.write_bytes(content)
    with pytest.raises(
        HostError, match=f"{kind.name} is (empty|damaged).*Restore it from a backup.*{kind.consequence}"
    ):
        kept_secret(settings, kind, _never)
    with pytest.raises(HostError, match=kind.name):
        refuse_damaged(settings)
    assert file.read_bytes() == content


def test_a_line_break_after_a_secret_is_ignored(settings: Settings) -> None:
    made = agent_secret(settings)
    settings.agent_secret_file.write_text(f"{made}\n")
    assert agent_secret(settings) == made
