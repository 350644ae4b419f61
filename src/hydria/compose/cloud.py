"""The cloud that a server uses: the home cloud, with a Keystone elsewhere, or the made-up networks of noop mode."""

from collections.abc import Callable
from secrets import token_urlsafe

from hydria.compose import authorization
from hydria.compose.authority import authority_of
from hydria.compose.barbican import barbican_of
from hydria.compose.credentials import SECRETS_KEY, TOKEN_KEY, Credentials, kept_secret
from hydria.compose.fresh import external_ids, keep_external_ids
from hydria.compose.neutron import neutron_of
from hydria.compose.noop import NoopNetworking, NoopSecrets
from hydria.compose.parts import Cloud
from hydria.controller.acme import AcmeSecrets
from hydria.homecloud import identity, network, secrets
from hydria.http.operation import Authenticator, Mount
from hydria.protocols import Clock, Networking, Secrets
from hydria.settings import Settings
from hydria.store import Database, Transaction
from hydria.store.certificates import AcmeOrder
from hydria.times import stamp


def cloud_of(settings: Settings, database: Database, clock: Clock, *, noop: bool) -> Cloud:
    """Return the cloud that the settings name; make its first rows and keys when they are missing.

    Raises SettingsError for a policy file that cannot be read.
    """
    authorisation = authorization.policy_of(settings)
    passwords = identity.Passwords(settings.homecloud.wrong_passwords_per_minute, clock.monotonic)
    neutron = None if noop else neutron_of(settings, database, clock)
    authenticator, users = _users(settings, database, clock, passwords)
    vault = secrets.Vault(kept_secret(settings, SECRETS_KEY, secrets.new_key))
    authority = None if noop else authority_of(settings)
    outside = None if neutron is None else neutron.outside
    barbican = None if noop else barbican_of(settings, database, vault, clock, outside)

    def networking_of(transaction: Transaction) -> Networking:
        if neutron is not None:
            return neutron.networking_of(transaction)
        home = network.HomeNetworking(transaction, clock.now())
        return NoopNetworking(home) if noop else home

    def secrets_of(transaction: Transaction) -> Secrets:
        if noop:
            return NoopSecrets()
        stored: Secrets
        if barbican is not None:
            stored = barbican.secrets_of(transaction)
        else:
            stored = secrets.HomeSecrets(transaction, vault, stamp(clock.now()))
        return AcmeSecrets(transaction, stored, vault, clock.now(), offered=authority is not None)

    return Cloud(
        networking_of=networking_of,
        # The home cloud's tables are in the same database.
        networking_rolls_back=neutron is None,
        topologies_of=network.HomeTopologies,
        secrets_of=secrets_of,
        restore_project=identity.restore_project if settings.keystone.auth_url is None else _leave_to_keystone,
        authenticator=authenticator,
        authorisation=authorisation,
        vault=vault,
        authority=authority,
        outside=outside if barbican is None else barbican.outside,
        neutron=None if neutron is None else neutron.worker,
        barbican=None if barbican is None else barbican.worker,
        store_certificate=None if barbican is None else barbican.store_certificate,
        mounts=(
            *users,
            *(network.mounts() if neutron is None else ()),
            *(secrets.KeyManager(vault, orders=AcmeOrder).mounts() if barbican is None else ()),
        ),
        metrics=(passwords.refused,),
    )


def _leave_to_keystone(_: Transaction, project_id: str) -> None:
    """Make no project: a Keystone has them."""


def _users(
    settings: Settings, database: Database, clock: Clock, passwords: identity.Passwords
) -> tuple[Authenticator, tuple[Mount, ...]]:
    """Return what authenticates callers, and the API of users if it is the home cloud's; make its first rows.

    With a Keystone the home cloud's identity is not mounted, so that there is one place to log in.
    """
    elsewhere = authorization.keystone_identity(settings, clock)
    if elsewhere is not None:
        # Without a project, as in Neutron for what only admins change.
        _external_network(settings, database, clock, lambda _: "")
        return elsewhere, ()
    cloud = identity.Identity(
        region=settings.homecloud.region,
        key=kept_secret(settings, TOKEN_KEY, identity.new_key),
        token_hours=settings.homecloud.token_hours,
        passwords=passwords,
        subscribe=database.subscribe,
        now=clock.now,
    )
    file = settings.credentials_file
    password = Credentials.read(file).password if file.exists() else token_urlsafe(18)
    # The file is written before the database, because a password that is in no file would be lost.
    Credentials.of(settings, password).write(file)
    _external_network(
        settings, database, clock, lambda transaction: cloud.bootstrap(transaction, clock.now(), password)
    )
    cloud.expect(database, password)
    return cloud, (cloud.mount(),)


def _external_network(
    settings: Settings, database: Database, clock: Clock, owner: Callable[[Transaction], str]
) -> None:
    """Make the external network, if there is none; `owner` returns its project's id and may make the project.

    Where the network service is a Neutron, only the project is made.
    """
    if settings.network.type == "neutron":
        database.transact(owner)
        return
    ids = external_ids(settings)

    def work(transaction: Transaction) -> tuple[str, str] | None:
        return network.bootstrap(transaction, clock.now(), owner(transaction), settings.homecloud.external_cidr, ids)

    keep_external_ids(settings, database.transact(work))
