"""Other sites cannot act with a user's session, and pages run nothing but their own scripts."""

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from hydria.dashboard.pages import Pages
from tests.dashboard.conftest import Site

LISTENERS = "/dashboard/api/load-balancer/v2/lbaas/listeners"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-hydria-dashboard": ""},
        {"origin": "https://elsewhere.test"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_requests_of_other_sites_change_nothing(site: Site, headers: dict[str, str]) -> None:
    await site.log_in()
    if headers == {"x-hydria-dashboard": ""}:
        del site.browser.headers["x-hydria-dashboard"]
        headers = {}
    for method, path in (("POST", LISTENERS), ("PUT", "/dashboard/session"), ("DELETE", "/dashboard/session")):
        assert (await site.browser.request(method, path, json={}, headers=headers)).status_code == 403, method


async def test_the_own_pages_may_change_things(site: Site) -> None:
    await site.log_in()
    headers = {"origin": "http://cloud.test", "sec-fetch-site": "same-origin"}
    answer = await site.browser.post(LISTENERS, json={"listener": {}}, headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize("site", ["https://lb.example.org"], indirect=True)
async def test_behind_a_proxy_with_tls_the_public_address_counts(site: Site) -> None:
    cookie = (await site.log_in()).headers["set-cookie"]
    assert "; secure" in cookie.lower()
    # This browser does not send a secure cookie over HTTP, which the proxy does.
    token = cookie.partition(";")[0]
    for origin, status in (("https://lb.example.org", 400), ("https://elsewhere.test", 403)):
        headers = {"origin": origin, "cookie": token}
        answer = await site.browser.post(LISTENERS, json={"listener": {}}, headers=headers)
        assert answer.status_code == status, origin


async def test_a_session_reaches_only_apis(site: Site) -> None:
    await site.log_in()
    for path in ("metrics", "agent/v1/poll", "dashboard/session"):
        assert (await site.browser.get(f"/dashboard/api/{path}")).status_code in (401, 404), path


async def test_a_token_of_the_request_does_not_replace_the_session(site: Site) -> None:
    answer = await site.browser.get(LISTENERS, headers={"x-auth-token": "anything"})
    assert answer.status_code == 401
    assert answer.json()["faultstring"] == "There is no session. Please log in."


async def test_every_address_below_shows_the_page(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<title>Hydria</title>")
    (tmp_path / "main-1.js").write_text("x;" * 1000)
    app = Starlette(routes=Pages(tmp_path).routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cloud.test") as browser:
        for path in ("/dashboard", "/dashboard/loadbalancers/1", "/dashboard/hosts"):
            answer = await browser.get(path)
            assert answer.text == "<title>Hydria</title>"
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
        script = await browser.get("/dashboard/assets/main-1.js")
        assert script.headers["content-encoding"] == "gzip"
        assert "immutable" in script.headers["cache-control"]
        assert (await browser.get("/dashboard/assets/none.js")).status_code == 404


async def test_without_its_files_the_dashboard_says_how_to_build_them(tmp_path: Path) -> None:
    app = Starlette(routes=Pages(tmp_path).routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cloud.test") as browser:
        answer = await browser.get("/dashboard")
    assert answer.status_code == 503
    assert "./dev setup" in answer.text
