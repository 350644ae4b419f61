"""A certificate that is pasted in the dashboard is stored in Barbican by its user, and can be used at once."""

from functools import partial

import httpx
import pytest
from starlette.applications import Starlette

from hydria.barbican.pasting import store_certificate
from hydria.dashboard.pasting import Pasting
from hydria.errors import Forbidden
from tests.support.api import make_tree
from tests.support.barbican import BarbicanCloud
from tests.support.certificates import intermediate, leaf

PAGE = {"x-hydria-dashboard": "1", "cookie": "hydria_session=alice"}


async def pasted(cloud: BarbicanCloud, body: dict[str, str], headers: dict[str, str] = PAGE) -> httpx.Response:
    app = Starlette(routes=Pasting(partial(store_certificate, cloud.barbican), "").routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cloud.test") as browser:
        return await browser.post("/dashboard/certificates", json=body, headers=headers)


def form(*names: str) -> dict[str, str]:
    bundle = leaf(*names, by=intermediate())
    return {
        "name": "shop",
        "certificate": bundle.pem,
        "private_key": bundle.key_pem,
        "intermediates": bundle.chain_pem,
    }


async def test_its_user_can_use_it_and_no_other(cloud: BarbicanCloud) -> None:
    answer = await pasted(cloud, form("www.example.org"))
    assert answer.status_code == 201, answer.text
    reference = answer.json()["container_ref"]
    api = cloud.api("alice")
    lb = (await make_tree(api, cloud.subnet.id))["loadbalancer"]
    listener = {"loadbalancer_id": lb, "protocol": "TERMINATED_HTTPS", "default_tls_container_ref": reference}
    # Admins may change the load balancer, but this one does not see the secret.
    body = {"listener": {**listener, "protocol_port": 443}}
    assert reference in await cloud.api("admin").fault("POST", "listeners", 400, body)
    made = await api.create("listener", protocol_port=443, **listener)
    assert made["default_tls_container_ref"] == reference


async def test_refusals_are_barbicans(cloud: BarbicanCloud) -> None:
    cloud.barbican.faults.set("store_secret", Forbidden("Secret creation attempt not allowed"))
    answer = await pasted(cloud, form("www.example.org"))
    assert answer.status_code == 403
    assert answer.json()["faultstring"].endswith("key manager: Secret creation attempt not allowed")


@pytest.mark.parametrize(
    ("headers", "status"), [({"x-hydria-dashboard": "1"}, 401), ({"cookie": "hydria_session=alice"}, 403)]
)
async def test_only_sessions_of_its_own_pages(cloud: BarbicanCloud, headers: dict[str, str], status: int) -> None:
    assert (await pasted(cloud, form("www.example.org"), headers)).status_code == status
    assert cloud.barbican.secrets == {}
