"""SQL functions that both databases have under different names."""

from sqlalchemy import select

from hydria.contract import Facts
from hydria.store import Database, columns
from hydria.store.functions import first_string, string_at
from hydria.store.resources import Amphora, KnownHost, host_zone_sql


def test_strings_in_stored_json(database: Database) -> None:
    some = Amphora(id="a", load_balancer_id="lb", host="one", created_at="t", base_addresses=("10.0.0.5", "fd00::5"))
    none = Amphora(id="b", load_balancer_id="lb", host="two", created_at="t")
    one = KnownHost(id="one", name="first", seen_at=1, facts=Facts(zone="east"))
    database.transact(lambda tx: tx.insert(some, none, one, KnownHost(id="two", name="second", seen_at=1)))
    c = columns(Amphora)
    shown = select(c.id, first_string(c.base_addresses), host_zone_sql(c.host)).order_by(c.id)
    found = database.read(lambda tx: [tuple(row) for row in tx.execute(shown)])
    assert found == [("a", "10.0.0.5", "east"), ("b", None, "second")]
    zones = select(string_at(columns(KnownHost).facts, "zone"), string_at(columns(KnownHost).facts, "nothing"))
    assert set(database.read(lambda tx: [tuple(row) for row in tx.execute(zones)])) == {("east", None), ("", None)}
