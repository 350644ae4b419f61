"""The dashboard in a real browser, with a server in noop mode: what a new user does, step by step."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.browser import Looked, looking
from tests.support.served import Served, served

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

SUBNET = "11111111-1111-4111-8111-111111111111"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running server."""
    with served(tmp_path_factory.mktemp("server")) as found:
        yield found


def url_of(server: Served) -> str:
    return server.credentials.auth_url.removesuffix("/identity/v3")


class Client:
    """The API of the first admin."""

    def __init__(self, server: Served) -> None:
        user = {"name": "admin", "domain": {"id": "default"}, "password": server.credentials.password}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}
        self._http = httpx.Client(base_url=url_of(server), trust_env=False, timeout=60)
        answer = self._http.post("/identity/v3/auth/tokens", json={"auth": auth})
        self._http.headers["X-Auth-Token"] = answer.headers["x-subject-token"]

    def make(self, name: str) -> str:
        """Create a load balancer with a listener, a pool, two members; return its id."""
        members = [{"name": f"web{number}", "address": f"10.0.0.{number}", "protocol_port": 80} for number in (1, 2)]
        pool = {"name": f"{name}-pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
        listener = {"name": "web", "protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
        form = {"name": name, "vip_subnet_id": SUBNET, "listeners": [listener]}
        answer = self._http.post("/load-balancer/v2/lbaas/loadbalancers", json={"loadbalancer": form})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["loadbalancer"]["id"])

    def rename(self, key: str, name: str) -> None:
        """Change the name of a load balancer."""
        answer = self._http.put(f"/load-balancer/v2/lbaas/loadbalancers/{key}", json={"loadbalancer": {"name": name}})
        assert answer.status_code == 200, answer.text

    def delete(self, key: str) -> None:
        """Delete a load balancer with everything below it."""
        answer = self._http.delete(f"/load-balancer/v2/lbaas/loadbalancers/{key}", params={"cascade": "true"})
        assert answer.status_code == 204, answer.text

    def algorithm(self, pool: str) -> str:
        """Return the algorithm of the pool of a name."""
        found = self._http.get("/load-balancer/v2/lbaas/pools", params={"name": pool}).json()["pools"]
        return str(found[0]["lb_algorithm"])

    def weights(self, pool: str) -> list[int]:
        """Return the weights of the members of the pool of a name, sorted."""
        found = self._http.get("/load-balancer/v2/lbaas/pools", params={"name": pool}).json()["pools"]
        members = self._http.get(f"/load-balancer/v2/lbaas/pools/{found[0]['id']}/members").json()["members"]
        return sorted(int(one["weight"]) for one in members)


@pytest.fixture(scope="module")
def client(server: Served) -> Client:
    return Client(server)


@pytest.fixture
def look(server: Served) -> Iterator[Looked]:
    """A browser of a user who has logged in; no test may leave an error in its console."""
    with looking(url_of(server)) as look:
        look.log_in("admin", server.credentials.password)
        yield look
        assert look.errors == []


def test_a_wrong_password_is_said_in_words(server: Served) -> None:
    with looking(url_of(server)) as look:
        look.open()
        look.page.fill("[name=username]", "admin")
        look.page.fill("[name=password]", "wrong")
        look.page.click("button[type=submit]")
        look.sees("The user, password or project is wrong")
        look.shoot("login")


def test_a_new_user_creates_a_load_balancer_with_the_wizard(look: Looked) -> None:
    look.click("Create")
    page = look.page
    page.fill("[name=name]", "first")
    page.fill("[name=members]", "web1 203.0.113.20\n203.0.113.21:8080")
    look.shoot("wizard")
    look.click("Review")
    look.sees("203.0.113.21:8080")
    look.shoot("wizard-review")
    look.click("Create")
    page.wait_for_url("**/loadbalancers/*")
    page.get_by_role("heading", name="first").wait_for()
    page.get_by_role("button", name="web1").first.wait_for()


def test_a_change_by_others_is_seen_at_once(look: Looked, client: Client) -> None:
    look.page.get_by_role("heading", name="Load balancers").wait_for()
    key = client.make("seen-live")
    look.sees("seen-live")
    client.rename(key, "seen-renamed")
    look.sees("seen-renamed")


def test_the_overview_filters(look: Looked, client: Client) -> None:
    for name in ("filter-one", "filter-two"):
        client.make(name)
    look.sees("filter-two")
    look.page.keyboard.press("/")
    look.page.keyboard.type("filter-o")
    look.page.get_by_text("filter-two").wait_for(state="detached")
    look.sees("filter-one")
    assert "q=filter-o" in look.page.url
    look.shoot("overview")


def test_a_member_is_drained_and_used_again(look: Looked, client: Client) -> None:
    key = client.make("drained")
    look.open(f"/loadbalancers/{key}/members")
    look.page.get_by_role("button", name="Drain").first.click()
    look.sees("It gets no new connections")
    look.click("Apply")
    look.page.get_by_role("button", name="Use again").wait_for()
    assert client.weights("drained-pool") == [0, 1]
    look.shoot("members")
    look.page.get_by_role("button", name="Use again").click()
    look.click("Apply")
    look.page.get_by_role("button", name="Use again").wait_for(state="detached")


def test_a_listener_is_added_and_changed_with_every_field(look: Looked, client: Client) -> None:
    key = client.make("changed")
    look.open(f"/loadbalancers/{key}")
    look.click("Listener")
    page = look.page
    page.locator("dialog [name=protocol_port]").fill("8080")
    page.locator("dialog [name=name]").fill("second")
    page.get_by_text("More settings").click()
    page.get_by_label("Connection limit").fill("500")
    look.shoot("form")
    look.click("Review")
    look.sees("8080")
    look.click("Create")
    page.get_by_role("button", name="second").first.click()
    page.get_by_text("500", exact=True).wait_for()
    look.shoot("panel")


def test_a_change_is_tried_dry_and_taken_back(look: Looked, client: Client) -> None:
    key = client.make("taken-back")
    look.open(f"/loadbalancers/{key}")
    look.page.get_by_role("button", name="taken-back-pool").first.click()
    look.click("Change")
    look.page.get_by_label("LB algorithm").select_option("LEAST_CONNECTIONS")
    look.click("Review")
    look.page.locator(".diff .added").first.wait_for()
    look.shoot("plan")
    look.click("Apply")
    look.page.locator(".notes").get_by_text("Changed.").wait_for()
    look.open(f"/loadbalancers/{key}/history")
    look.page.locator(".history li").nth(1).wait_for()
    look.shoot("history")
    look.click("Compare")
    look.page.locator("dialog ins").get_by_text("LEAST_CONNECTIONS").wait_for()
    look.shoot("compare")
    look.click("Close")
    look.click("Go back")
    look.page.locator("dialog .plan").wait_for()
    look.shoot("rollback")
    look.click("Go back")
    look.page.locator(".history li").nth(2).wait_for()
    assert client.algorithm("taken-back-pool") == "ROUND_ROBIN"


def test_escape_closes_one_dialog_after_the_other(look: Looked, client: Client) -> None:
    look.open(f"/loadbalancers/{client.make('escaped')}/picture")
    page = look.page
    for _ in range(3):
        page.get_by_role("button", name="escaped-pool").first.click()
        look.click("Change")
        page.locator("dialog form").wait_for()
        page.keyboard.press("Escape")
        page.locator("dialog form").wait_for(state="detached")
        page.keyboard.press("Escape")
        page.locator("dialog").wait_for(state="detached")


def test_a_request_is_explained(look: Looked, client: Client) -> None:
    key = client.make("explained")
    look.open(f"/loadbalancers/{key}/explain")
    look.click("Explain")
    look.page.locator(".trace").get_by_text("web1").first.wait_for()
    look.shoot("explained")
    look.page.get_by_title("Deutsch").click()
    look.page.locator(".explained").get_by_text("Der Standardpool entscheidet.").wait_for()
    look.page.get_by_title("English").click()
    look.page.fill("[name=url]", "http://10.0.0.1:81/")
    look.click("Explain")
    look.page.locator(".explained .bad").wait_for()


def test_a_load_balancer_is_deleted(look: Looked, client: Client) -> None:
    key = client.make("to-be-deleted")
    look.open(f"/loadbalancers/{key}")
    look.click("Delete")
    look.sees("This cannot be taken back.")
    look.click("Delete")
    look.page.get_by_role("heading", name="Load balancers").wait_for()
    look.page.get_by_role("link", name="to-be-deleted").wait_for(state="detached")


def test_a_load_balancer_that_others_delete_is_said_to_be_gone(look: Looked, client: Client) -> None:
    key = client.make("deleted-by-others")
    look.open(f"/loadbalancers/{key}")
    look.page.get_by_role("heading", name="deleted-by-others").wait_for()
    client.delete(key)
    look.page.locator(".empty").get_by_text("The load balancer was deleted.").wait_for()
    look.click("← All load balancers")
    look.page.get_by_role("heading", name="Load balancers").wait_for()


def test_every_view_has_an_address_of_its_own(look: Looked, client: Client) -> None:
    key = client.make("views")
    for tab in ("picture", "traffic", "members", "certificates", "history", "explain"):
        look.open(f"/loadbalancers/{key}/{tab}")
        look.page.get_by_role("heading", name="views", exact=True).wait_for()
        look.shoot(f"lb-{tab}")
    places = ("hosts", "amphorae", "flavors", "zones", "quotas")
    headings = ("Hosts", "Amphorae", "Flavors", "Availability zones", "Quotas")
    for place, heading in zip(places, headings, strict=True):
        look.open(f"/{place}")
        look.page.get_by_role("heading", name=heading).first.wait_for()
        look.shoot(place)
    look.open("/nowhere")
    look.sees("There is no such page.")


def test_an_operator_offers_an_availability_zone(look: Looked) -> None:
    look.open("/zones")
    look.click("Profile")
    look.page.locator("dialog [name=offer]").fill("rack-1")
    look.click("Create")
    look.page.get_by_role("rowheader", name="rack-1").wait_for()
    look.click("Availability zone")
    look.page.locator("dialog [name=offer]").fill("north")
    look.click("Create")
    look.page.get_by_role("rowheader", name="north").wait_for()
    look.shoot("zones-offered")
    look.click("Disable")
    look.click("Apply")
    look.page.get_by_role("button", name="Enable").wait_for()
    look.click("Delete north")
    look.click("Delete")
    look.page.get_by_role("rowheader", name="north").wait_for(state="detached")


def test_the_language_changes_at_once_and_stays(look: Looked) -> None:
    look.page.get_by_title("Deutsch").click()
    look.page.get_by_role("button", name="Abmelden").wait_for()
    look.page.reload()
    look.page.get_by_role("button", name="Abmelden").click()
    look.page.get_by_role("button", name="Anmelden").wait_for()


def test_a_phone_shows_everything_in_its_width(server: Served, client: Client) -> None:
    key = client.make("on-the-phone")
    with looking(url_of(server), width=390, height=844) as look:
        look.log_in("admin", server.credentials.password)
        for path in ("", "/new", f"/loadbalancers/{key}", f"/loadbalancers/{key}/members", "/hosts", "/quotas"):
            look.open(path)
            look.page.get_by_role("heading").first.wait_for()
            wide = look.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
            assert not wide, path
            look.shoot(f"phone{path.replace('/', '-').replace(key, 'lb')}")
        assert look.errors == []
