"""The operator's settings: frozen values, read once from a TOML file and the environment, then passed down."""

from hydria.settings.agent import AgentSettings
from hydria.settings.keys import DEFAULT_PATH, PATH_VARIABLE, Key, every_key, example
from hydria.settings.openstack import KeystoneSettings, NetworkSettings, SecretsSettings
from hydria.settings.read import at_home, load
from hydria.settings.values import (
    AcmeSettings,
    ApiSettings,
    ControllerSettings,
    DatabaseSettings,
    FailoverSettings,
    HomeCloudSettings,
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
    "ControllerSettings",
    "DatabaseSettings",
    "FailoverSettings",
    "HomeCloudSettings",
    "Key",
    "KeystoneSettings",
    "NetworkSettings",
    "QuotaSettings",
    "SecretsSettings",
    "ServerSettings",
    "Settings",
    "at_home",
    "every_key",
    "example",
    "load",
]
