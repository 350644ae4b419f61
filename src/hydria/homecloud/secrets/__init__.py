"""Barbican's API v1 of the home cloud, and the protocol through which the server reads secrets."""

from hydria.homecloud.secrets.references import HomeSecrets
from hydria.homecloud.secrets.service import KeyManager
from hydria.homecloud.secrets.vault import Vault, new_key

__all__ = ["HomeSecrets", "KeyManager", "Vault", "new_key"]
