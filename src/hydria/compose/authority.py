"""The ACME certificate authority of the settings."""

from hydria.compose.credentials import ACCOUNT_KEY, kept_secret
from hydria.errors import SettingsError
from hydria.protocols import CertificateAuthority
from hydria.settings import Settings


def authority_of(settings: Settings) -> CertificateAuthority | None:
    """Return the ACME authority, or None when the settings have none. Raises SettingsError."""
    if settings.acme.directory_url is None:
        return None
    try:
        # An optional dependency: the extra `acme`.
        from hydria.adapters.acme import AcmeAuthority, new_account_key  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise SettingsError(
            f"acme.directory_url: needs {missing.name}, which is not installed: pip install 'hydria[acme]'"
        ) from None
    return AcmeAuthority(settings.acme, kept_secret(settings, ACCOUNT_KEY, new_account_key))
