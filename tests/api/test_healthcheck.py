"""/healthcheck, as oslo.middleware answers it."""

import pytest

from tests.support.cloud import Cloud

pytestmark = pytest.mark.both_databases


@pytest.mark.parametrize("path", ["/healthcheck", "/load-balancer/healthcheck"])
async def test_healthcheck(cloud: Cloud, path: str) -> None:
    anybody = cloud.api(None)
    plain = await anybody.send("GET", path)
    assert (plain.status_code, plain.text) == (200, "OK")
    assert plain.headers["content-type"].lower() == "text/plain; charset=utf-8"
    answer = await anybody.send("GET", path, headers={"Accept": "application/json"})
    assert answer.json() == {"detailed": False, "reasons": ["OK"]}
    assert answer.headers["content-type"] == "application/json"
    page = await anybody.send("GET", path, headers={"Accept": "text/html"})
    assert "OK" in page.text
    glance = await anybody.send("HEAD", path)
    assert (glance.status_code, glance.content) == (204, b"")
    assert (await anybody.send("POST", path)).status_code == 405
