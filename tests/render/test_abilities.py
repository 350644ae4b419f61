"""What this host says that it cannot serve yet, and that it says so of nothing else."""

from typing import Any

import pytest

from hydria.model.pool import SessionPersistence
from hydria.render.abilities import unable
from support.trees import instance, key, listener, load_balancer, member, monitor, policy, pool, rule

COMMON = (listener(), pool(), member(1))
ELSEWHERE = (pool(2), member(2, pool_id=key("2", 2), vnic_type="direct"))


def missing(*children: Any, **root: Any) -> str | None:
    return unable(instance(*children, root=load_balancer(**root)).tree)


@pytest.mark.parametrize(
    ("children", "what", "where"),
    [
        (
            (
                listener(),
                pool(2),
                policy(action="REDIRECT_TO_POOL", redirect_pool_id=key("2", 2)),
                rule(),
                member(1, pool_id=key("2", 2), vnic_type="direct"),
            ),
            "vnic_type direct",
            "member",
        ),
        (
            (
                listener(protocol="TCP"),
                pool(protocol="TCP", session_persistence=SessionPersistence(type="HTTP_COOKIE")),
            ),
            "session_persistence HTTP_COOKIE of what is no HTTP",
            "pool",
        ),
        ((listener(), pool(), member(1, vnic_type="direct")), "vnic_type direct", "member"),
        ((listener(protocol="UDP"), pool(protocol="UDP"), member(1, vnic_type="direct")), "vnic_type direct", "member"),
    ],
)
def test_it_names_the_first(children: tuple[Any, ...], what: str, where: str) -> None:
    sentence = missing(*children)
    assert sentence is not None
    assert sentence.startswith(f"This host does not serve {what} yet, which {where} ")


@pytest.mark.parametrize(
    ("attributes", "what"),
    [
        ({"vip_vnic_type": "direct"}, "vip_vnic_type direct"),
    ],
)
def test_of_the_load_balancer(attributes: dict[str, Any], what: str) -> None:
    assert missing(**attributes) == (
        f"This host does not serve {what} yet, which load balancer {load_balancer().id} asks for."
    )


def test_what_asks_nothing_of_a_host() -> None:
    assert missing(*COMMON, monitor()) is None
    off = {"admin_state_up": False}
    for children in (
        (listener(default_pool_id=None), pool(), member(1, vnic_type="direct")),
        (listener(), pool(**off), member(1, vnic_type="direct")),
        (*COMMON, monitor(type="PING")),
        (*COMMON, policy(), rule()),
        # A policy without a rule that counts matches nothing.
        (*COMMON, *ELSEWHERE, policy(redirect_pool_id=key("2", 2)), rule(**off)),
        # TLS that neither ends nor begins here.
        (listener(tls_ciphers="A"), pool(tls_versions=("TLSv1.3",))),
    ):
        assert missing(*children) is None
    assert missing(listener(), pool(), member(1, vnic_type="direct"), **off) is None
