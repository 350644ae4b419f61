"""A floating IP that was deleted answers until the agent has removed it, and is given to nobody before."""

from tests.linux.programs import Body, Product, product
from tests.linux.test_lost_database import answers, floating_ip
from tests.support.waiting import wait_until

FLOATING_IPS = "/network/v2.0/floatingips"


def test_a_deleted_floating_ip_is_free_when_the_agent_has_removed_it() -> None:
    with product() as made:
        made.start("server", "agent")
        made.surroundings(11, 12)
        lb = made.create()
        made.becomes("ACTIVE")
        address = floating_ip(made, lb)
        wait_until(lambda: answers(address))
        (shown,) = made.all(FLOATING_IPS)
        made.kill("agent")
        assert made.ask("DELETE", f"{FLOATING_IPS}/{shown['id']}").status_code == 204
        wanted = {"floatingip": {"floating_network_id": shown["floating_network_id"], "floating_ip_address": address}}
        assert answers(address)
        refusal = made.ask("POST", FLOATING_IPS, wanted)
        assert refusal.status_code == 409
        assert "a host still has it" in refusal.json()["NeutronError"]["message"]
        made.start("agent")
        made_again: list[Body] = wait_until(lambda: _made(made, wanted))
        assert made_again[0]["floating_ip_address"] == address
        assert not answers(address)


def _made(made: Product, wanted: Body) -> list[Body]:
    answer = made.ask("POST", FLOATING_IPS, wanted)
    return [answer.json()["floatingip"]] if answer.status_code == 201 else []
