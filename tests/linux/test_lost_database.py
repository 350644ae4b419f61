"""Traffic goes on when the host is renamed, and when the database is lost or an older one is restored."""

import contextlib
import http.client
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.linux.haproxies import get
from tests.linux.programs import LBAAS, Body, Product, Visitor, product
from tests.support.waiting import wait_until

VIP = "10.0.0.100"


def hydria(made: Product, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hydria.cli", *command],
        env=made.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def floating_ip(made: Product, lb: Body) -> str:
    """Give a VIP a floating IP, by a router."""
    (provider,) = made.ask("GET", "/network/v2.0/networks", name="provider").json()["networks"]
    gateway = {"network_id": provider["id"]}
    router = made.make("/network/v2.0/routers", "router", name="r", external_gateway_info=gateway)
    interface = {"subnet_id": made.subnet_id}
    assert made.ask("PUT", f"/network/v2.0/routers/{router['id']}/add_router_interface", interface).is_success
    wanted = {"floating_network_id": provider["id"], "port_id": lb["vip_port_id"]}
    address: str = made.make("/network/v2.0/floatingips", "floatingip", **wanted)["floating_ip_address"]
    return address


def answers(address: str) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return get("/proc/thread-self/ns/net", address, timeout=2)[0] == 200
    return False


def databases(made: Product) -> Iterator[Path]:
    return made.settings.state_dir.glob("hydria.db*")


def orphans(made: Product) -> list[str]:
    found = hydria(made, "orphan", "list").splitlines()
    return [line.split()[0] for line in found if " on " in line]


def restart(made: Product) -> None:
    made.start("server", "agent")
    # The first admin and all tokens may be new ones.
    if hasattr(made, "_kept_token"):
        del made._kept_token


def test_a_renamed_host_keeps_everything() -> None:
    with product() as made:
        made.start("server", "agent")
        made.surroundings(11, 12)
        made.create()
        made.becomes("ACTIVE")
        before = made.amphora, made.proxy
        with Visitor(made) as visitor:
            made.kill("agent")
            made.extra["HYDRIA_AGENT_HOST"] = "renamed"
            made.start("agent")
            lb = made.balancer()
            assert lb is not None
            assert made.ask("PUT", f"loadbalancers/{lb['id']}", {"loadbalancer": {"description": "x"}}).is_success
            visitor.more(50)
            made.becomes("ACTIVE")
            shown = made.ask("GET", f"{LBAAS.replace('lbaas', 'octavia')}/amphorae").json()["amphorae"]
            assert [each["cached_zone"] for each in shown] == ["renamed"]
        assert visitor.failures == []
        assert (made.amphora, made.proxy) == before


def test_an_empty_database_keeps_traffic_and_adopts_everything() -> None:
    with product() as made:
        made.start("server", "agent")
        made.surroundings(11, 12)
        lb = made.create()
        made.becomes("ACTIVE")
        address = floating_ip(made, lb)
        wait_until(lambda: answers(address))
        before = made.amphora, made.proxy
        with Visitor(made) as visitor:
            made.kill("server", "agent")
            for file in list(databases(made)):
                file.unlink()
            restart(made)
            wait_until(lambda: len(orphans(made)) >= 3, say=lambda: hydria(made, "orphan", "list"))
            assert made.balancer() is None
            assert "database_is_new" in made.log.read_text()
            assert "orphan adopt" in hydria(made, "doctor")
            visitor.more(50)
            assert answers(address)
            output = hydria(made, "orphan", "adopt", "--all")
            assert "left as they are" not in output, output
            wait_until(lambda: orphans(made) == [], say=lambda: hydria(made, "orphan", "list"))
            made.becomes("ACTIVE")
            found = made.balancer()
            assert found is not None
            assert (found["id"], found["vip_address"]) == (lb["id"], VIP)
            visitor.more(50)
            assert answers(address)
        assert visitor.failures == []
        assert (made.amphora, made.proxy) == before
        floating = made.ask("GET", "/network/v2.0/floatingips").json()["floatingips"]
        assert [(each["floating_ip_address"], each["port_id"]) for each in floating] == [(address, lb["vip_port_id"])]
        made.delete()
        wait_until(lambda: not list((made.settings.run_dir / "amphorae").iterdir()))


def test_an_older_database_keeps_traffic_and_orphans_can_be_removed() -> None:
    with product() as made:
        made.start("server", "agent")
        made.surroundings(11, 12)
        old = made.create()
        made.becomes("ACTIVE")
        made.kill("server")
        kept = made.directory / "backup"
        kept.mkdir()
        for file in databases(made):
            shutil.copy(file, kept)
        made.start("server")
        # The host gets what the backup does not know: newer generations, and another amphora of the load balancer.
        for text in ("x", "y", "z"):
            made.ask("PUT", f"loadbalancers/{old['id']}", {"loadbalancer": {"description": text}})
        assert made.ask("PUT", f"loadbalancers/{old['id']}/failover").is_success
        made.create("young", "10.0.0.101")
        made.becomes("ACTIVE")
        made.becomes("ACTIVE", "young")
        # The old amphora of the failover is gone.
        wait_until(lambda: len(list((made.settings.run_dir / "amphorae").iterdir())) == 2)
        with Visitor(made) as visitor, Visitor(made, "10.0.0.101") as young:
            made.kill("server", "agent")
            for file in list(databases(made)):
                file.unlink()
            for file in kept.iterdir():
                shutil.copy(file, made.settings.state_dir)
            restart(made)
            wait_until(lambda: len(orphans(made)) == 1, say=lambda: hydria(made, "orphan", "list"))
            made.becomes("ACTIVE")
            change = {"loadbalancer": {"description": "later"}}
            assert made.ask("PUT", f"loadbalancers/{old['id']}", change).is_success
            made.becomes("ACTIVE")
            visitor.more(50)
            young.more(50)
        assert visitor.failures == []
        assert young.failures == []
        (orphan,) = orphans(made)
        assert "being removed" in hydria(made, "orphan", "remove", orphan)
        wait_until(lambda: orphans(made) == [])
        assert len(list((made.settings.run_dir / "amphorae").iterdir())) == 1
        assert get(made.client, VIP)[0] == 200
