"""Only a resource that cannot be served is left out: the rest is served, can be changed, and stays protected."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from hydria.contract import Instance, Observation
from tests.linux.haproxies import Web, get
from tests.linux.machines import VIP, Machine
from tests.support import certificates
from tests.support.trees import AMPHORA, instance, key, listener, member, policy, pool, rule

GOOD = certificates.leaf("www.example.org", VIP).bundle
# A key that does not belong to the certificate.
UNFIT = certificates.leaf("www.example.org").pem + certificates.leaf("other.example.org").key_pem
PLAIN = (listener(), pool(), member(1))
WHY = "it cannot be read any more"


def secure(**values: Any) -> Any:
    common = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": "certificate"}
    return listener(2, **(common | values))


def guarded(expression: str, **values: Any) -> tuple[Any, ...]:
    """Return a listener on port 81 with a policy whose rule has the expression."""
    place = {"l7policy_id": key("5", 3), "compare_type": "REGEX", "value": expression}
    rejecting = policy(3, **({"listener_id": key("1", 3)} | values))
    return listener(3, protocol_port=81), rejecting, rule(3, **place)


def bad_pool() -> tuple[Any, ...]:
    ciphers = pool(4, tls_enabled=True, tls_ciphers="NOT-A-CIPHER")
    return (
        listener(4, protocol_port=82, default_pool_id=key("2", 4)),
        ciphers,
        member(4, pool_id=key("2", 4), address="10.0.0.11"),
    )


async def serve(machine: Machine, wanted: Instance) -> Observation:
    await machine.host.serve(wanted)
    return await machine.host.observe(AMPHORA)


def answers(machine: Machine, port: int) -> bool:
    try:
        return get(machine.client, VIP, port)[0] == 200
    except OSError:
        return False


@pytest.mark.parametrize(
    ("wrong", "troubled", "port"),
    [
        # Values that an older version accepted.
        (guarded("(?a:x)"), {key("1", 3), key("5", 3)}, 81),
        (guarded("(?a:x)", action="REDIRECT_TO_URL", redirect_url="http://a.test/"), {key("1", 3), key("5", 3)}, 81),
        (bad_pool(), {key("2", 4)}, 82),
        ((secure(default_tls_container_ref="unfit"),), {key("1", 2)}, 443),
        ((secure(default_tls_container_ref="gone"),), {key("1", 2)}, 443),
        ((secure(default_tls_container_ref=None),), {key("1", 2)}, 443),
        ((secure(client_authentication="MANDATORY"),), {key("1", 2)}, 443),
        ((secure(client_authentication="OPTIONAL", client_ca_tls_container_ref="gone"),), {key("1", 2)}, 443),
        ((secure(tls_ciphers="NOT-A-CIPHER"),), {key("1", 2)}, 443),
    ],
)
async def test_a_failure_affects_one_resource(
    machine: Machine, web: list[Web], wrong: tuple[Any, ...], troubled: set[str], port: int
) -> None:
    secrets = {"certificate": GOOD, "unfit": UNFIT}
    seen = await serve(machine, instance(*PLAIN, *wrong, secrets=secrets, lost={"gone": WHY}))
    assert seen.troubles.keys() == troubled
    assert seen.unserved == troubled
    assert all(seen.troubles.values())
    assert machine.get() == "web1"
    assert not await asyncio.to_thread(answers, machine, port)
    # Changes of the rest are made by the usual method.
    pid = machine.pid
    again = instance(*PLAIN, member(2), *wrong, generation=2, secrets=secrets, lost={"gone": WHY})
    seen = await serve(machine, again)
    assert seen.troubles.keys() == troubled
    assert machine.pid == pid
    assert {machine.get() for _ in range(4)} == {"web1", "web2"}
    await machine.restart()
    assert (await serve(machine, structs.replace(again, generation=3))).troubles.keys() == troubled
    # The repair changes only this resource.
    seen = await serve(machine, instance(*PLAIN, generation=4))
    assert not seen.troubles


async def test_a_deleted_secret_is_served_from_the_hosts_copy(machine: Machine, web: list[Web]) -> None:
    await serve(machine, instance(*PLAIN, secure(), secrets={"certificate": GOOD}))
    for restarted in (False, True):
        if restarted:
            await machine.restart()
        lost = {"certificate": WHY}
        seen = await serve(machine, instance(*PLAIN, member(2), secure(), generation=2 + restarted, lost=lost))
        assert seen.troubles == {key("1", 2): WHY}
        assert not seen.unserved
        with (machine.amphora_files / "tls" / f"{key('1', 2)}.default.pem").open() as file:
            assert file.read() == GOOD
        assert not await asyncio.to_thread(answers, machine, 443)
        assert {machine.get() for _ in range(4)} == {"web1", "web2"}


async def test_a_corrected_expression_is_served(machine: Machine, web: list[Web]) -> None:
    seen = await serve(machine, instance(*PLAIN, *guarded("(?a:x)")))
    assert key("1", 3) in seen.unserved
    seen = await serve(machine, instance(*PLAIN, *guarded("^/secret"), generation=2))
    assert not seen.troubles
    assert machine.get(81) == "web1"
