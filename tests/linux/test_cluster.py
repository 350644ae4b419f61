"""The simulated cluster: several hosts and servers on this machine, whose cables and power can be cut."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.api import LBAAS
from cluster.balancers import pair_flavor
from cluster.cables import Fault
from cluster.chaos import Chaos
from cluster.invariants import complaints
from cluster.machine import Cluster, remove
from cluster.nodes import all_nodes
from cluster.plan import Plan
from hydria.errors import HostError
from tests.linux.haproxies import get
from tests.support.waiting import wait_until

# One cluster serves all tests of this module.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]

VIPS = {"one": "10.20.0.51", "two": "10.20.0.52", "pair": "10.20.0.53"}
# Those that all tests have.
SINGLES = ("one", "two")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two hosts with a load balancer each, and two servers. Afterwards nothing may be left."""
    directory = Path(tempfile.mkdtemp(prefix="hy"))
    made = Cluster(Plan(directory=directory, hosts=2, servers=2))
    try:
        made.up()
        for name in SINGLES:
            made.http_load_balancer(name, VIPS[name])
        wait_until(lambda: all(status(made, name) == "ACTIVE" for name in SINGLES))
        yield made
    finally:
        made.down()
    assert leftovers(directory, made.plan) == []


def status(cluster: Cluster, name: str) -> str:
    return str(cluster.api().get(f"{LBAAS}/loadbalancers?name={name}")["loadbalancers"][0]["provisioning_status"])


def answers(cluster: Cluster, name: str) -> bool:
    """Return whether the client gets an answer of a member."""
    try:
        code, body = get(cluster.node("client").network, VIPS[name], timeout=1)
    except OSError:
        return False
    return code == 200 and body.startswith("you hit: web")


def host_of(cluster: Cluster, name: str) -> str:
    """Return the host whose amphora serves a load balancer, by its configuration."""
    return next(host for host in cluster.plan.named("host") if VIPS[name] in configured(cluster, host))


def configured(cluster: Cluster, host: str) -> set[str]:
    """Return the VIPs that HAProxy processes of a host listen on."""
    files = (cluster.node(host).root / "run/hydria/amphorae").glob("*/haproxy.cfg")
    return {vip for file in files for vip in VIPS.values() if f"bind {vip}:" in file.read_text()}


def leftovers(directory: Path, plan: Plan) -> list[str]:
    """Return what a removed cluster has left: processes, its directory, control groups."""
    found = [node.name for node in all_nodes(directory)] + ([str(directory)] if directory.exists() else [])
    prefixes = [plan.prefix(host) for host in plan.named("host")]
    return found + [str(path) for prefix in prefixes for path in Path("/sys/fs/cgroup").glob(f"**/{prefix}")]


def test_amphorae_of_two_hosts_serve_a_client_on_the_wire(cluster: Cluster) -> None:
    wait_until(lambda: all(answers(cluster, name) for name in SINGLES))
    assert {host_of(cluster, name) for name in SINGLES} == {"h1", "h2"}


def test_a_cut_host_serves_again_when_it_is_healed(cluster: Cluster) -> None:
    cluster.cut(Fault(node=host_of(cluster, "one")))
    assert not answers(cluster, "one")
    assert answers(cluster, "two")
    cluster.heal()
    wait_until(lambda: answers(cluster, "one"))


def test_a_host_that_is_cut_one_way_gets_no_answer_out(cluster: Cluster) -> None:
    host = host_of(cluster, "one")
    cluster.cut(Fault(node=host, one_way=True))
    assert not answers(cluster, "one")
    cluster.heal(host)
    wait_until(lambda: answers(cluster, "one"))


def test_a_cut_between_two_nodes_affects_no_other(cluster: Cluster) -> None:
    cluster.cut(Fault(node=host_of(cluster, "one"), peers=("client",)))
    assert not answers(cluster, "one")
    assert answers(cluster, "two")
    cluster.heal("client")
    wait_until(lambda: answers(cluster, "one"))


def test_a_host_without_the_servers_goes_on_serving(cluster: Cluster) -> None:
    host = host_of(cluster, "one")
    cluster.cut(Fault(node=host, peers=("s1", "s2")))
    assert answers(cluster, "one")
    cluster.heal(host)


def test_a_host_serves_again_from_its_disk_after_a_power_cut(cluster: Cluster) -> None:
    host = host_of(cluster, "two")
    cluster.power_off(host)
    assert not answers(cluster, "two")
    with pytest.raises(HostError, match="switched off"):
        cluster.node(host).command("true")
    cluster.power_on(host)
    wait_until(lambda: answers(cluster, "two"))


def test_a_pair_survives_a_cut_cable(cluster: Cluster) -> None:
    cluster.http_load_balancer("pair", VIPS["pair"], flavor_id=pair_flavor(cluster.api()))
    wait_until(lambda: status(cluster, "pair") == "ACTIVE" and answers(cluster, "pair"))
    wait_until(lambda: all(VIPS["pair"] in configured(cluster, host) for host in cluster.plan.named("host")))
    (active,) = wait_until(lambda: holders if len(holders := cluster.holders(VIPS["pair"])) == 1 else None)
    cluster.cut(Fault(node=active))
    wait_until(lambda: answers(cluster, "pair"))
    cluster.heal()
    wait_until(lambda: len(cluster.holders(VIPS["pair"])) == 1 and answers(cluster, "pair"))


def test_invariants_hold_after_a_fault_and_complain_during_one(cluster: Cluster) -> None:
    chaos = Chaos(cluster, seed=1, faults=["haproxies-killed"])
    chaos.prepare(2, pairs=False)
    chaos.step(1, longest=1)
    cluster.cut(Fault(node="client", peers=("web1",)))
    assert complaints(cluster, chaos.balancers) == []
    cluster.cut(Fault(node="client"))
    assert "does not answer" in complaints(cluster, chaos.balancers)[0]
    cluster.heal()


def test_the_other_server_answers_when_one_has_no_power(cluster: Cluster) -> None:
    cluster.power_off("s1")
    assert status(cluster, "one") == "ACTIVE"


def test_a_cluster_that_was_made_in_part_is_removed(tmp_path: Path) -> None:
    directory = tmp_path / "c"
    plan = Plan(directory=directory, hosts=1)
    (directory / "wire").mkdir(parents=True)
    (directory / "cluster.json").write_text("{")
    Cluster(plan).node("h1").start()
    remove(directory)
    assert leftovers(directory, plan) == []


def test_a_directory_with_other_files_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(HostError, match="has files that no cluster made"):
        remove(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.txt"]
