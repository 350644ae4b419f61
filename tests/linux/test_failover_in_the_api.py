"""A failover by the API moves the VIP to a new amphora, and no request is lost."""

import pytest

from tests.linux.programs import Product, Visitor, product
from tests.support.waiting import wait_until


def amphorae(made: Product) -> set[str]:
    directory = made.settings.run_dir / "amphorae"
    return {each.name for each in directory.iterdir()}


@pytest.mark.parametrize("topology", ["SINGLE", "ACTIVE_STANDBY"])
def test_a_failover_loses_nothing(topology: str) -> None:
    with product() as made:
        made.extra["HYDRIA_CONTROLLER_TOPOLOGY"] = topology
        made.start("server", "agent")
        made.surroundings(11, 12)
        lb = made.create()
        made.becomes("ACTIVE")
        before = amphorae(made)
        with Visitor(made) as visitor:
            visitor.more()
            assert made.ask("PUT", f"loadbalancers/{lb['id']}/failover").status_code == 202
            wait_until(lambda: not before & amphorae(made))
            made.becomes("ACTIVE")
            visitor.more()
        assert visitor.failures == []
        assert len(amphorae(made)) == len(before) == (1 if topology == "SINGLE" else 2)
        made.delete()
        wait_until(lambda: not made.leftovers(), say=made.leftovers)
