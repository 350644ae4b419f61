"""The operator's settings: frozen values, read once from a TOML file and the environment, then passed down."""

from hydria.settings.keys import DEFAULT_PATH, PATH_VARIABLE, Key, every_key, example
from hydria.settings.read import at_home, load
from hydria.settings.values import (
    AcmeSettings,
    AgentSettings,
    ApiSettings,
    DatabaseSettings,
    HomeCloudSettings,
    KeystoneSettings,
    QuotaSettings,
    ServerSettings,
    Settings,
)

__all__ = [
    "DEFAULT_PATH",
    "PATH_VARIABLE",
    "AcmeSettings",
    "AgentSettings",
    "ApiSettings",
    "DatabaseSettings",
    "HomeCloudSettings",
    "Key",
    "KeystoneSettings",
    "QuotaSettings",
    "ServerSettings",
    "Settings",
    "at_home",
    "every_key",
    "example",
    "load",
]
