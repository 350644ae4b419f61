"""Real processes are killed at any moment: the desired state is reached in the end, and traffic goes on meanwhile."""

import contextlib
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from hydria.adapters.linux.netns import inside
from hydria.agent.looks import LOOK_PERIOD
from tests.linux.haproxies import get
from tests.linux.programs import Product, Visitor, product
from tests.support.waiting import wait_until

VIP = "10.0.0.100"
SEED = 20261123


@pytest.fixture(scope="module")
def apart() -> Iterator[Product]:
    """Server and agent as two programs, with three web servers."""
    with product() as made:
        made.start("server", "agent")
        made.surroundings(11, 12, 13)
        yield made


@pytest.fixture
def balanced(apart: Product) -> Iterator[Product]:
    """The same with a load balancer; nothing is left of it afterwards."""
    apart.create()
    apart.becomes("ACTIVE")
    yield apart
    ready(apart)
    apart.delete()
    assert apart.leftovers() == []


def ready(made: Product) -> None:
    """Start the programs that do not run."""
    made.start(*({"server", "agent"} - made.running.keys()))


def answers(made: Product) -> set[str]:
    return {get(made.client, VIP)[1].strip().removeprefix("you hit: ") for _ in range(6)}


def test_traffic_goes_on_without_server_and_agent(balanced: Product) -> None:
    pid = balanced.proxy
    with Visitor(balanced) as visitor:
        visitor.more()
        balanced.kill("server", "agent")
        visitor.more(50)
        balanced.start("server", "agent")
        visitor.more()
        (pool,) = balanced.all("pools")
        # Both work again, with the HAProxy that went on.
        balanced.make(f"pools/{pool['id']}/members", "member", address="10.0.0.13", protocol_port=80)
        balanced.becomes("ACTIVE")
        wait_until(lambda: "web13" in answers(balanced))
        visitor.more()
    assert visitor.failures == []
    assert balanced.proxy == pid


BOTH, SERVER, AGENT = ("server", "agent"), ("server",), ("agent",)


@pytest.mark.parametrize("turns", [(BOTH, SERVER, AGENT), (AGENT, BOTH, SERVER)], ids=["both-first", "agent-first"])
def test_kills_at_random_moments_of_create_change_and_delete(
    apart: Product, turns: tuple[tuple[str, ...], ...]
) -> None:
    chance = random.Random(f"{SEED} {turns}")  # noqa: S311 - repeatable on purpose

    def create() -> None:
        form = apart.form("lb", VIP)
        while apart.balancer() is None:
            apart.ask("POST", "loadbalancers", {"loadbalancer": form})

    def change() -> None:
        (pool,) = apart.all("pools")
        (listener,) = apart.all("listeners")
        (first,) = (each for each in apart.all(f"pools/{pool['id']}/members") if each["address"] == "10.0.0.11")
        apart.ask("DELETE", f"pools/{pool['id']}/members/{first['id']}")
        apart.ask("POST", f"pools/{pool['id']}/members", {"member": {"address": "10.0.0.13", "protocol_port": 80}})
        apart.ask("PUT", f"listeners/{listener['id']}", {"listener": {"timeout_client_data": 60000}})

    with killing(apart, turns[0], chance):
        create()
    apart.becomes("ACTIVE")
    assert answers(apart) == {"web11", "web12"}
    with Visitor(apart) as visitor:
        visitor.more(5)
        with killing(apart, turns[1], chance):
            change()
        apart.becomes("ACTIVE")
        visitor.more(5)
    assert visitor.failures == []
    assert answers(apart) == {"web12", "web13"}
    with killing(apart, turns[2], chance):
        apart.delete()
    apart.becomes("gone")
    assert apart.leftovers() == []


@contextlib.contextmanager
def killing(made: Product, victims: tuple[str, ...], chance: random.Random) -> Iterator[None]:
    """Kill the victims a moment after the block has begun, and start them again."""
    pause = chance.uniform(0, 0.15)

    def kill() -> None:
        time.sleep(pause)
        made.kill(*victims)
        made.start(*victims)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_a_second_program_of_a_kind_is_refused(balanced: Product) -> None:
    for command, what in (("server", "server on this database"), ("agent", "agent on this host")):
        output = balanced.fails(command)
        assert len(output.strip().splitlines()) == 1
        assert f"Another {what} runs already (process {balanced.running[command].pid}" in output
    # The first ones go on.
    assert answers(balanced) == {"web11", "web12"}


def test_a_killed_haproxy_is_started_again_at_once(balanced: Product) -> None:
    os.kill(balanced.proxy, signal.SIGKILL)

    def answered() -> bool:
        with contextlib.suppress(OSError):
            return get(balanced.client, VIP)[0] == 200
        return False

    # Sooner than the agent's regular look.
    wait_until(answered, LOOK_PERIOD / 2)


def test_a_port_in_use_is_reported_and_retried(balanced: Product) -> None:
    with inside(balanced.names.amphora(balanced.amphora)):
        taken = socket.create_server((VIP, 8080))
    (pool,) = balanced.all("pools")
    (listener,) = balanced.all("listeners")
    lb = listener["loadbalancers"][0]["id"]
    with taken:
        new = {"loadbalancer_id": lb, "protocol": "HTTP", "protocol_port": 8080, "default_pool_id": pool["id"]}
        key = balanced.make("listeners", "listener", **new)["id"]

        def status() -> str:
            (found,) = [each for each in balanced.all("listeners") if each["id"] == key]
            return str(found["provisioning_status"])

        wait_until(lambda: status() == "ERROR")
        assert answers(balanced) == {"web11", "web12"}
    wait_until(lambda: status() == "ACTIVE")
    assert get(balanced.client, VIP, 8080)[0] == 200


def test_twenty_quick_changes_while_pending_are_merged(balanced: Product) -> None:
    pid = balanced.proxy
    (pool,) = balanced.all("pools")
    with Visitor(balanced) as visitor:
        visitor.more(5)
        statuses = set()
        for number in range(10):
            member = {"address": "10.0.0.13", "protocol_port": 80 if number == 9 else 8000 + number}
            weight = {"weight": 10 if number < 9 else 0}
            made = balanced.make(f"pools/{pool['id']}/members", "member", **member, backup=False)
            path = f"pools/{pool['id']}/members/{made['id']}"
            assert balanced.ask("PUT", path, {"member": {"admin_state_up": number == 9, **weight}}).status_code == 200
            statuses.add(balanced.status())
        assert "PENDING_UPDATE" in statuses
        balanced.becomes("ACTIVE")
        visitor.more(5)
        for each in balanced.all(f"pools/{pool['id']}/members"):
            if each["address"] == "10.0.0.13" and each["protocol_port"] != 80:
                assert balanced.ask("DELETE", f"pools/{pool['id']}/members/{each['id']}").status_code == 204
        path = f"pools/{pool['id']}/members/{made['id']}"
        assert balanced.ask("PUT", path, {"member": {"weight": 1}}).status_code == 200
        balanced.becomes("ACTIVE")
        visitor.more(10)
    # Requests to a new member that was not yet disabled were retried at another; none was lost, without a reload.
    assert visitor.failures == []
    assert balanced.proxy == pid
    assert answers(balanced) == {"web11", "web12", "web13"}


def test_no_change_under_load_loses_a_request(balanced: Product) -> None:
    (pool,) = balanced.all("pools")
    (listener,) = balanced.all("listeners")
    lb = listener["loadbalancers"][0]["id"]
    monitor = {"type": "HTTP", "delay": 5, "timeout": 10, "max_retries": 2, "pool_id": pool["id"]}
    with Visitor(balanced, clients=3) as visitor:
        changes: list[Callable[[], httpx.Response]] = [
            lambda: balanced.ask("PUT", f"loadbalancers/{lb}", {"loadbalancer": {"name": "lb", "description": "x"}}),
            lambda: balanced.ask("PUT", f"listeners/{listener['id']}", {"listener": {"timeout_client_data": 60000}}),
            lambda: balanced.ask("POST", "healthmonitors", {"healthmonitor": monitor}),
            lambda: balanced.ask("PUT", f"pools/{pool['id']}", {"pool": {"lb_algorithm": "LEAST_CONNECTIONS"}}),
            lambda: balanced.ask(
                "POST", "listeners", {"listener": {"loadbalancer_id": lb, "protocol": "TCP", "protocol_port": 81}}
            ),
            lambda: balanced.ask("PUT", f"listeners/{listener['id']}", {"listener": {"connection_limit": 1000}}),
        ]
        for change in changes:
            answer = change()
            assert answer.status_code in (200, 201), answer.text
            balanced.becomes("ACTIVE")
            visitor.more(10)
    assert visitor.failures == []


def test_everything_is_back_after_a_reboot(balanced: Product) -> None:
    balanced.create("other", "10.0.0.101")
    balanced.becomes("ACTIVE", "other")
    balanced.kill("server", "agent")
    balanced.reboot()
    balanced.start("server", "agent")
    balanced.rewire(11, 12, 13)
    for vip in (VIP, "10.0.0.101"):

        def answered(vip: str = vip) -> bool:
            with contextlib.suppress(OSError):
                return get(balanced.client, vip, timeout=1)[0] == 200
            return False

        wait_until(answered)
    balanced.becomes("ACTIVE")
    balanced.delete("other")
