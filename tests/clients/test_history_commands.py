"""History, rollback and explanations by the stock client's extension and by `hydria`, with a server in noop mode."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import leaf
from tests.support.client import Client, expect
from tests.support.own_commands import hydria
from tests.support.served import Served


@pytest.fixture(scope="session")
def subnet(openstack: Client) -> str:
    """The id of a subnet."""
    openstack.get("network create private-of-history")
    made = openstack.get("subnet create of-history --network private-of-history --subnet-range 10.11.0.0/24")
    return str(made["id"])


@pytest.fixture
def lb(openstack: Client, subnet: str) -> Iterator[str]:
    """A load balancer of three revisions: made, with a listener, and renamed."""
    made = openstack.get(f"loadbalancer create --name shop --vip-subnet-id {subnet}")["id"]
    openstack.get(f"loadbalancer listener create --name web --protocol HTTP --protocol-port 80 {made}")
    openstack.answer(f"loadbalancer set --name other {made}")
    yield made
    openstack.answer(f"loadbalancer delete --cascade {made}")


def said(server: Served, *words: str) -> str:
    """Run `hydria`; it must succeed. Return its output."""
    done = hydria(server, *words)
    assert done.error == ""
    return done.out


def test_the_extension_of_the_stock_client(openstack: Client, lb: str) -> None:
    renamed, listener, made = openstack.get("loadbalancer revision list other")
    assert [each["revision"] for each in (renamed, listener, made)] == [3, 2, 1]
    assert renamed["changes"] == "~ loadbalancer other: name shop -> other"
    assert listener["changes"] == "+ listener web"
    shown = openstack.get(f"loadbalancer revision show {lb} 2")
    expect(shown, revision=2, loadbalancer_id=lb, cause="POST /listeners", changes="+ listener web", state="served")
    explained = openstack.answer(f"loadbalancer explain {lb}")
    assert "Every amphora serves revision 3." in explained.out
    request = openstack.answer(f"loadbalancer explain {lb} --request 'GET http://example.org/' --header 'A: b'")
    assert "The listener has no default pool. (status 503)" in request.out
    dry = openstack.answer(f"loadbalancer rollback {lb} --to 1 --dry-run")
    assert dry.out.splitlines()[0] == "- listener web"
    assert dry.out.splitlines()[-1] == "Nothing was changed."
    assert len(openstack.get(f"loadbalancer revision list {lb}")) == 3
    done = openstack.answer(f"loadbalancer rollback {lb} --to 2")
    assert done.out.splitlines() == ["~ loadbalancer shop: name other -> shop", "This is revision 4."]
    assert openstack.get(f"loadbalancer show {lb}")["name"] == "shop"
    assert "Revision 99 of load balancer" in openstack.fail(f"loadbalancer rollback {lb} --to 99")
    assert "There is no load balancer nothing." in openstack.fail("loadbalancer explain nothing")


def test_the_commands_of_hydria(server: Served, lb: str, tmp_path: Path) -> None:
    listed = said(server, "history", "other")
    assert "~ loadbalancer other: name shop -> other" in listed
    assert "+ listener web" in listed
    assert said(server, "diff", lb, "1", "2") == "+ listener web\n"
    assert said(server, "diff", lb, "3", "3") == "Nothing differs.\n"
    assert "Every amphora serves revision 3." in said(server, "explain", lb)
    refused = said(server, "explain", lb, "--request", "GET http://example.org:81/a?b=c")
    assert refused == "There is no listener at port 81 (tcp).\n"
    certificate = tmp_path / "client.pem"
    certificate.write_text(leaf(client=True).pem)
    shown = ("--request", "GET https://example.org/", "--client-certificate", str(certificate))
    assert said(server, "explain", lb, *shown) == "There is no listener at port 443 (tcp).\n"
    assert "Nothing was changed." in said(server, "rollback", lb, "--to", "2", "--dry-run")
    assert "Nothing was changed." in said(server, "--dry-run", "rollback", lb, "--to", "2")
    assert "This is revision 4." in said(server, "rollback", lb, "--to", "2")
