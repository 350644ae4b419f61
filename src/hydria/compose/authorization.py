"""Authentication and authorization by the settings: a Keystone elsewhere, and Octavia's policy."""

from hydria.api.policy import OctaviaPolicy
from hydria.errors import SettingsError
from hydria.http.operation import Authenticator
from hydria.protocols import Clock, Http
from hydria.settings import Settings


def policy_of(settings: Settings) -> OctaviaPolicy:
    """Return the policy. Raises SettingsError for a broken policy file."""
    chosen = settings.api
    return OctaviaPolicy(chosen.policy_file, legacy_roles=chosen.legacy_roles, hide_foreign=chosen.hide_foreign)


def keystone_identity(settings: Settings, clock: Clock) -> Authenticator | None:
    """Return the Keystone of the settings, or None for the home cloud's identity service. Raises SettingsError."""
    if settings.keystone.auth_url is None:
        return None
    try:
        # An optional dependency: the extra `openstack`.
        from hydria.adapters.openstack.keystone import KeystoneIdentity  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise SettingsError(
            f"keystone.auth_url: needs {missing.name}, which is not installed: pip install 'hydria[openstack]'"
        ) from None
    return KeystoneIdentity(settings.keystone, clock)


def keystone_api(settings: Settings) -> Http | None:
    """Return the API of the settings' Keystone, by which users log in; None for the home cloud's users."""
    if settings.keystone.auth_url is None:
        return None
    from hydria.adapters.openstack.keystone_api import KeystoneApi  # noqa: PLC0415 - the extra `openstack`

    return KeystoneApi(settings.keystone)
