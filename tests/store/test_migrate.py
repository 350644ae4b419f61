"""Migrations make the schema of the code from any version, in one transaction."""

import importlib
import pkgutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

import hydria.homecloud
import hydria.store.resources
from hydria.errors import SettingsError
from hydria.store import Database, metadata
from hydria.store.migrate import configuration, upgrade
from hydria.store.migrations.new import MODULES
from hydria.store.revision import is_current

# The migrations themselves make them, and on PostgreSQL they are compared.
pytestmark = pytest.mark.filterwarnings("ignore:.*expression-based index")


def everything() -> None:
    """Import every module that may register tables."""
    for module in pkgutil.walk_packages(hydria.homecloud.__path__, "hydria.homecloud."):
        importlib.import_module(module.name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database without tables."""
    made = Database(database_url)
    yield made
    made.close()


def differences(connection: Connection) -> Any:
    return compare_metadata(MigrationContext.configure(connection), metadata)


def shape(connection: Connection) -> dict[str, Any]:
    """Return everything that a database knows about its tables."""
    found = inspect(connection)
    return {
        name: {
            "columns": {each["name"]: (str(each["type"]), each["nullable"]) for each in found.get_columns(name)},
            "key": found.get_pk_constraint(name)["constrained_columns"],
            "unique": sorted((str(each["name"]), each["column_names"]) for each in found.get_unique_constraints(name)),
            "indexes": sorted((str(each["name"]), each["column_names"]) for each in found.get_indexes(name)),
        }
        for name in found.get_table_names()
        if name != "alembic_version"
    }


def test_migrations_make_the_schema_of_the_code(database: Database) -> None:
    everything()
    upgrade(database)
    # If this fails: ./dev migration "what changed"
    assert database.with_connection(differences) == []
    migrated = database.with_connection(shape)
    database.with_connection(metadata.drop_all)
    database.with_connection(metadata.create_all)
    assert migrated == database.with_connection(shape)


def test_several_servers_may_upgrade_at_once(database_url: str, database: Database) -> None:
    failures: list[Exception] = []

    def start() -> None:
        try:
            upgrade(database_url)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(3 if database_url.startswith("postgresql") else 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    everything()
    assert database.with_connection(differences) == []


def test_the_generator_knows_every_module_with_tables() -> None:
    for name in MODULES:
        importlib.import_module(name)
    known = set(metadata.tables)
    everything()
    assert set(metadata.tables) == known


def test_a_second_upgrade_changes_nothing(database_url: str, database: Database) -> None:
    upgrade(database)
    before = database.with_connection(shape)
    row = text("INSERT INTO hosts (id, name, seen_at, wired) VALUES ('1', 'a', 1, 0)")
    database.transact(lambda transaction: transaction.execute(row))
    upgrade(database)
    upgrade(database_url)
    assert database.with_connection(shape) == before
    assert rows(database, "SELECT name FROM hosts") == [("a",)]


def upgrade_to(connection: Connection, revision: str) -> None:
    settings = configuration()
    settings.attributes["connection"] = connection
    command.upgrade(settings, revision)


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    return database.read(lambda transaction: [tuple(row) for row in transaction.execute(text(statement))])


def test_migrated_addresses_know_whether_the_next_one_is_free(database_url: str, database: Database) -> None:
    def fill(connection: Connection) -> None:
        upgrade_to(connection, "0004")
        for subnet, key in (("a", "01"), ("a", "02"), ("a", "04"), ("b", "03")):
            row = {"subnet": subnet, "key": key, "next": f"{int(key) + 1:02}"}
            statement = "INSERT INTO network_addresses VALUES (:subnet, :key, :next, '', '', 0)"
            connection.execute(text(statement), row)

    database.with_connection(fill)
    assert not is_current(database_url)
    upgrade(database)
    assert is_current(database_url)
    found = rows(database, "SELECT subnet_id, next FROM network_addresses ORDER BY subnet_id, key")
    assert found == [("a", None), ("a", "03"), ("a", "05"), ("b", "04")]


def insert(connection: Connection, table: str, **values: Any) -> None:
    """Insert a row; mandatory columns without a value get an empty one of their type."""
    for column in inspect(connection).get_columns(table):
        if not column["nullable"]:
            empty = {"TEXT": "", "BIGINT": 0, "BOOLEAN": False}[str(column["type"])]
            values.setdefault(column["name"], empty)
    names = ", ".join(f'"{name}"' for name in values)
    places = ", ".join(f":{name}" for name in values)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)  # noqa: S608 - our own names


def addresses_of_an_older_version(connection: Connection) -> None:
    """Write addresses in the spelling of clients, as before migration 0010."""
    upgrade_to(connection, "0009")
    vips = '[{"subnet_id":"s","ip_address":"2001:DB8::9","port_id":"p"}]'
    insert(connection, "load_balancers", id="lb", vip_address="2001:DB8:0::1", additional_vips=vips, generation=4)
    insert(connection, "load_balancers", id="other", vip_address="10.0.0.1", additional_vips="[]", generation=4)
    rest = {"load_balancer_id": "lb", "pool_id": "pool", "protocol_port": 80}
    insert(connection, "members", id="a", address="2001:db8::a", created_at="1", monitor_address="::0:1", **rest)
    insert(connection, "members", id="b", address="2001:DB8::000A", created_at="2", **rest)
    insert(connection, "members", id="c", address="::ffff:10.0.0.9", created_at="3", **rest)
    cidrs = '["2001:DB8::/32","10.0.0.0/8"]'
    insert(connection, "listeners", id="l", load_balancer_id="lb", allowed_cidrs=cidrs)
    insert(connection, "listeners", id="m", load_balancer_id="other", allowed_cidrs="null")
    insert(connection, "pools", id="pool", load_balancer_id="lb", session_persistence="null")
    pair = '[{"ip_address":"2001:DB8::5","mac_address":"FA:16:3E:00:00:01"}]'
    insert(connection, "network_ports", id="p", mac_address="fa:16:3e:00:00:02", allowed_address_pairs=pair)


def amphorae_of_an_older_version(connection: Connection) -> None:
    upgrade_to(connection, "0011")
    insert(connection, "amphorae", id="a", load_balancer_id="lb")
    insert(connection, "network_ports", id="member-port", device_id="a", mac_address="1")
    insert(connection, "network_ports", id="vip-port", device_id="lb-lb", mac_address="2")
    insert(connection, "network_addresses", subnet_id="s", key="1", port_id="member-port")
    insert(connection, "network_addresses", subnet_id="v", key="2", port_id="vip-port")


def test_amphorae_of_older_versions_get_their_ports(database: Database) -> None:
    database.with_connection(amphorae_of_an_older_version)
    upgrade(database)
    assert rows(database, "SELECT amphora_id, subnet_id, port_id FROM amphora_ports") == [("a", "s", "member-port")]


def network_in_trouble(connection: Connection) -> None:
    upgrade_to(connection, "0013")
    insert(connection, "network_networks", id="n", trouble="No bridge.")


def test_trouble_of_a_network_is_empty_until_its_host_reports(database: Database) -> None:
    database.with_connection(network_in_trouble)
    upgrade(database)
    assert rows(database, "SELECT trouble FROM network_networks") == [(None,)]


def test_addresses_of_older_versions_become_canonical(database: Database) -> None:
    database.with_connection(addresses_of_an_older_version)
    upgrade(database)
    assert rows(database, "SELECT id, vip_address, additional_vips, generation FROM load_balancers ORDER BY id") == [
        ("lb", "2001:db8::1", '[{"subnet_id":"s","ip_address":"2001:db8::9","port_id":"p"}]', 5),
        ("other", "10.0.0.1", "[]", 4),
    ]
    # When two members have become equal, the younger one is deleted as by a user.
    assert rows(database, "SELECT id, address, monitor_address, deleted_in FROM members ORDER BY id") == [
        ("a", "2001:db8::a", "::1", None),
        ("b", "2001:db8::a", None, 5),
        ("c", "10.0.0.9", None, None),
    ]
    assert rows(database, "SELECT allowed_cidrs FROM listeners ORDER BY id") == [
        ('["2001:db8::/32","10.0.0.0/8"]',),
        ("null",),
    ]
    assert rows(database, "SELECT allowed_address_pairs FROM network_ports") == [
        ('[{"ip_address":"2001:db8::5","mac_address":"fa:16:3e:00:00:01"}]',)
    ]


def test_a_failed_upgrade_leaves_nothing_behind(database: Database) -> None:
    # A table with the name of the last one exists already.
    database.with_connection(lambda connection: connection.execute(text("CREATE TABLE traffic (weight INTEGER)")))
    with pytest.raises(Exception, match="traffic"):
        upgrade(database)
    assert database.with_connection(lambda connection: inspect(connection).get_table_names()) == ["traffic"]


def test_a_schema_of_a_newer_version_is_refused(database: Database) -> None:
    upgrade(database)
    database.transact(lambda tx: tx.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(SettingsError, match=r"9999.*newer"):
        upgrade(database)
