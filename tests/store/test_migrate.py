"""The scripts lead to the schema that the code has, from any version, all or nothing."""

import importlib
import pkgutil
import threading
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, text

import hydria.homecloud
import hydria.store.resources
from hydria.errors import SettingsError
from hydria.store import Database, metadata
from hydria.store.migrate import configuration, upgrade
from hydria.store.migrations.new import MODULES
from hydria.store.revision import is_current


def everything() -> None:
    """Import every module that may register tables."""
    for module in pkgutil.walk_packages(hydria.homecloud.__path__, "hydria.homecloud."):
        importlib.import_module(module.name)


def differences(engine: Engine) -> Any:
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), metadata)


def shape(engine: Engine) -> dict[str, Any]:
    """Say all that a database knows of its tables."""
    found = inspect(engine)
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


def test_the_scripts_make_the_schema_of_the_code(database_url: str) -> None:
    everything()
    upgrade(database_url)
    engine = Database(database_url).engine
    # If this fails: python -m hydria.store.migrations.new "what changed"
    assert differences(engine) == []
    migrated = shape(engine)
    metadata.drop_all(engine)
    metadata.create_all(engine)
    assert migrated == shape(engine)


def test_servers_that_upgrade_at_once(database_url: str) -> None:
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
    assert differences(Database(database_url).engine) == []


def test_the_generator_knows_every_module_with_tables() -> None:
    for name in MODULES:
        importlib.import_module(name)
    known = set(metadata.tables)
    everything()
    assert set(metadata.tables) == known


def test_again_changes_nothing(database_url: str) -> None:
    database = Database(database_url)
    upgrade(database.engine)
    before = shape(database.engine)
    with database.engine.begin() as connection:
        connection.execute(text("INSERT INTO hosts (id, name, seen_at, wired) VALUES ('1', 'a', 1, 0)"))
    upgrade(database.engine)
    upgrade(database_url)
    assert shape(database.engine) == before
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM hosts")).scalars().all() == ["a"]


def test_addresses_learn_whether_the_one_after_them_is_free(database_url: str) -> None:
    settings, database = configuration(), Database(database_url)
    with database.engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0004")
        for subnet, key in (("a", "01"), ("a", "02"), ("a", "04"), ("b", "03")):
            row = {"subnet": subnet, "key": key, "next": f"{int(key) + 1:02}"}
            statement = "INSERT INTO network_addresses VALUES (:subnet, :key, :next, '', '', 0)"
            connection.execute(text(statement), row)
    assert not is_current(database_url)
    upgrade(database.engine)
    assert is_current(database_url)
    with database.engine.connect() as connection:
        found = connection.execute(text("SELECT subnet_id, next FROM network_addresses ORDER BY subnet_id, key"))
        assert list(map(tuple, found)) == [("a", None), ("a", "03"), ("a", "05"), ("b", "04")]


def insert(connection: Connection, table: str, **values: Any) -> None:
    """Insert a row; what must be there and is not given is empty, by its column's type."""
    for column in inspect(connection).get_columns(table):
        if not column["nullable"]:
            empty = {"TEXT": "", "BIGINT": 0, "BOOLEAN": False}[str(column["type"])]
            values.setdefault(column["name"], empty)
    names = ", ".join(f'"{name}"' for name in values)
    places = ", ".join(f":{name}" for name in values)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)  # noqa: S608 - our own names


def test_addresses_of_older_versions_become_canonical(database_url: str) -> None:
    settings, database = configuration(), Database(database_url)
    with database.engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0009")
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
    upgrade(database.engine)
    with database.engine.connect() as connection:

        def rows(statement: str) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in connection.execute(text(statement))]

        found = rows("SELECT id, vip_address, additional_vips, generation FROM load_balancers ORDER BY id")
        assert found == [
            ("lb", "2001:db8::1", vips.replace("DB8", "db8"), 5),
            ("other", "10.0.0.1", "[]", 4),
        ]
        # The younger of two members that are one goes as if somebody had deleted it.
        assert rows("SELECT id, address, monitor_address, deleted_in FROM members ORDER BY id") == [
            ("a", "2001:db8::a", "::1", None),
            ("b", "2001:db8::a", None, 5),
            ("c", "10.0.0.9", None, None),
        ]
        assert rows("SELECT allowed_cidrs FROM listeners ORDER BY id") == [(cidrs.replace("DB8", "db8"),), ("null",)]
        assert rows("SELECT allowed_address_pairs FROM network_ports") == [
            (pair.replace("DB8", "db8").replace("FA:16:3E", "fa:16:3e"),)
        ]


def test_amphorae_of_older_versions_know_their_ports(database_url: str) -> None:
    settings, database = configuration(), Database(database_url)
    with database.engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0011")
        insert(connection, "amphorae", id="a", load_balancer_id="lb")
        insert(connection, "network_ports", id="member-port", device_id="a", mac_address="1")
        insert(connection, "network_ports", id="vip-port", device_id="lb-lb", mac_address="2")
        insert(connection, "network_addresses", subnet_id="s", key="1", port_id="member-port")
        insert(connection, "network_addresses", subnet_id="v", key="2", port_id="vip-port")
    upgrade(database.engine)
    with database.engine.connect() as connection:
        found = connection.execute(text("SELECT amphora_id, subnet_id, port_id FROM amphora_ports"))
        assert list(map(tuple, found)) == [("a", "s", "member-port")]


def test_trouble_of_a_network_waits_for_the_report_of_its_host(database_url: str) -> None:
    settings, database = configuration(), Database(database_url)
    with database.engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0013")
        insert(connection, "network_networks", id="n", trouble="No bridge.")
    upgrade(database.engine)
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT trouble FROM network_networks")).scalar_one() is None


def test_a_failure_leaves_nothing_behind(database_url: str) -> None:
    database = Database(database_url)
    with database.engine.begin() as connection:
        # The last table in the order of names stands in the way.
        connection.execute(text("CREATE TABLE traffic (weight INTEGER)"))
    with pytest.raises(Exception, match="traffic"):
        upgrade(database.engine)
    assert inspect(database.engine).get_table_names() == ["traffic"]


def test_a_schema_from_the_future(database_url: str) -> None:
    upgrade(database_url)
    database = Database(database_url)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError, match=r"9999.*newer"):
        upgrade(database.engine)
