"""The dashboard with real traffic, used as by someone who never saw it: create, watch, break, understand, take back."""

import socket
import ssl
from collections.abc import Iterator

import pytest

from tests.linux.haproxies import Load
from tests.linux.pebble import NEWCOMER_NETWORK, Pebble, pebble
from tests.linux.programs import Product, product
from tests.support.browser import Looked
from tests.support.certificates import leaf
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

VIP, PASTED_VIP, ACME_VIP = "10.0.0.100", "10.0.0.101", "198.18.0.110"


@pytest.fixture(scope="module")
def authority() -> Iterator[Pebble]:
    with pebble(ACME_VIP, life=3600) as running:
        yield running


@pytest.fixture(scope="module")
def served(authority: Pebble) -> Iterator[Product]:
    """Server and agent without load balancers, two web servers and a client."""
    with product(look_seconds=3) as made:
        made.extra = authority.settings(NEWCOMER_NETWORK)
        made.start("server", "agent")
        made.surroundings(11, 12)
        yield made
        for each in made.all("loadbalancers"):
            made.delete(each["name"])


def test_create_watch_break_understand_and_take_back(served: Product, look: Looked) -> None:
    _create(look)
    with Load(served.client, VIP) as load:
        _watch_and_break(served, look)
        _change_the_check(look)
        _take_back(look)
        before = load.answers
        wait_until(lambda: load.answers > before + 20)
        _look_further(look)


def _create(look: Looked) -> None:
    page = look.page
    look.sees("There are no load balancers yet.")
    look.shoot("trial-01-empty")
    look.click("Create the first one")
    page.fill("[name=name]", "shop")
    page.get_by_label("Address of the VIP").fill(VIP)
    page.fill("[name=members]", "web1 10.0.0.11\nweb2 10.0.0.12")
    look.shoot("trial-02-wizard")
    look.click("Review")
    page.locator("dialog .plan").wait_for()
    look.shoot("trial-03-review")
    look.click("Create")
    page.get_by_role("heading", name="shop").wait_for()
    look.shoot("trial-04-created")
    page.locator(".page-head").get_by_text("Online").wait_for()


def _watch_and_break(served: Product, look: Looked) -> None:
    page = look.page
    wait_until(lambda: page.locator(".node.member .rate").count() == 2)
    look.shoot("trial-05-picture")
    page.get_by_role("link", name="Members").click()
    look.shoot("trial-06-members")
    served.webs[1].stop()
    page.locator(".why").get_by_text("Connection refused").wait_for()
    look.shoot("trial-07-broken-members")
    page.get_by_role("link", name="Picture").click()
    page.locator(".node.member.bad").wait_for()
    look.shoot("trial-08-broken-picture")
    page.get_by_role("link", name="Log").click()
    page.locator(".log tr").first.wait_for()
    look.shoot("trial-09-log")
    served.webs[1].start()
    page.locator(".page-head").get_by_text("Online").wait_for()


def _take_back(look: Looked) -> None:
    page = look.page
    page.locator(".page-head").get_by_text("Error").wait_for()
    look.shoot("trial-12-all-down")
    page.get_by_role("link", name="History").click()
    page.locator(".history li").nth(1).wait_for()
    look.shoot("trial-13-history")
    look.click("Go back")
    page.locator("dialog .plan").wait_for()
    look.shoot("trial-14-rollback")
    look.click("Go back")
    page.locator(".page-head").get_by_text("Online").wait_for()
    look.shoot("trial-15-taken-back")


def _look_further(look: Looked) -> None:
    page = look.page
    page.get_by_role("link", name="Traffic").click()
    page.locator(".chart").first.wait_for(timeout=200_000)
    look.shoot("trial-16-traffic")
    page.get_by_role("link", name="Explain a request").click()
    look.click("Explain")
    page.locator(".trace").wait_for()
    look.shoot("trial-17-explained")
    page.get_by_title("Deutsch").click()
    page.locator(".explained").get_by_text("Der Standardpool entscheidet.").wait_for()
    look.shoot("trial-18-german")
    page.get_by_title("English").click()


def _change_the_check(look: Looked) -> None:
    """Make the check expect what no member answers, as a mistake would."""
    page = look.page
    page.get_by_role("link", name="Picture").click()
    page.get_by_role("button", name="shop-pool").first.click()
    page.locator("dialog .below button").first.click()
    look.shoot("trial-10-monitor")
    look.click("Change")
    if not page.get_by_label("Expected codes").is_visible():
        page.get_by_text("More settings").click()
    page.get_by_label("Expected codes").fill("299")
    look.click("Review")
    page.locator("dialog .plan").wait_for()
    look.shoot("trial-11-bad-change")
    look.click("Apply")
    page.locator("dialog[open] .plan").wait_for(state="detached")
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")


def test_a_pasted_certificate_is_served(served: Product, look: Looked) -> None:
    page, bundle = look.page, leaf("pasted.example.org")
    look.open("/new")
    page.fill("[name=name]", "pasted")
    page.get_by_label("Address of the VIP").fill(PASTED_VIP)
    page.get_by_label("Protocol").select_option("TERMINATED_HTTPS")
    page.locator(".certificate select").select_option("pem")
    page.get_by_label("Certificate and intermediates (PEM)").fill(bundle.pem + bundle.chain_pem)
    page.get_by_label("Private key (PEM)").fill(bundle.key_pem)
    page.fill("[name=members]", "web1 10.0.0.11")
    look.shoot("trial-20-pem")
    look.click("Review")
    page.locator("dialog .plan").wait_for()
    look.click("Create")
    page.get_by_role("heading", name="pasted").wait_for()
    page.locator(".page-head").get_by_text("Online").wait_for()
    page.get_by_role("link", name="Certificates").click()
    look.sees("pasted.example.org")
    look.shoot("trial-21-certificates")


def test_a_certificate_is_ordered(served: Product, authority: Pebble, look: Looked) -> None:
    page = look.page
    look.open("/new")
    page.fill("[name=name]", "ordered")
    page.get_by_label("Network of the VIP").select_option(label=_external(page.get_by_label("Network of the VIP")))
    page.get_by_label("Address of the VIP").fill(ACME_VIP)
    page.get_by_label("Protocol").select_option("TERMINATED_HTTPS")
    page.get_by_label("Host names").fill("ordered.example.org")
    page.fill("[name=members]", "web1 10.0.0.11")
    look.shoot("trial-22-acme")
    look.click("Review")
    page.locator("dialog .plan").wait_for()
    look.click("Create")
    page.get_by_role("heading", name="ordered").wait_for()
    page.get_by_role("link", name="Certificates").click()
    look.shoot("trial-23-ordering")
    trust = ssl.create_default_context(cadata=authority.root())
    wait_until(lambda: _trusted(ACME_VIP, "ordered.example.org", trust), 120)
    page.reload()
    look.sees("Pebble")
    look.shoot("trial-24-issued")


def _external(field: object) -> str:
    texts: list[str] = field.locator("option").all_inner_texts()  # type: ignore[attr-defined]
    return next(text for text in texts if NEWCOMER_NETWORK in text)


def _trusted(address: str, name: str, trust: ssl.SSLContext) -> bool:
    try:
        with socket.create_connection((address, 443), timeout=5) as plain:
            trust.wrap_socket(plain, server_hostname=name).close()
    except OSError:
        return False
    return True
