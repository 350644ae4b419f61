"""Requests that the API's description allows, and others: no answer is a 5xx, every answer is as described."""

import uuid
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.cloud import Cloud
from tests.support.worker import Worker

# Measuring doubles the time of these many requests, whose lines other tests run too.
pytestmark = pytest.mark.no_cover

# Requests for each operation and user.
EXAMPLES = 8
SEED = 20261123
# Collections in which only admins create.
_OFFERS = ("flavors", "flavorprofiles", "availabilityzones", "availabilityzoneprofiles")
CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance]


class Samples:
    """One resource of each kind, whose ids replace the made-up ones of cases."""

    def __init__(self, cloud: Cloud, client: Any) -> None:
        self._client = client
        self._worker = Worker(cloud)
        self._subnet = cloud.subnet.id
        self.ids: dict[str, str] = {}

    def send(self, path: str, root: str, key: str = "id", **attributes: Any) -> str:
        """Create a resource and return its id."""
        headers = {"X-Auth-Token": "admin"} if path in _OFFERS else {}
        answer = self._client.post(f"/load-balancer/v2.0/lbaas/{path}", json={root: attributes}, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()[root][key])

    def admin_resources(self) -> dict[str, str]:
        """Create one resource of each kind that only admins create."""
        name = f"fuzz-{uuid.uuid4()}"
        profile = {"name": name, "provider_name": "amphora"}
        flavors = self.send("flavorprofiles", "flavorprofile", **profile, flavor_data="{}")
        data = {**profile, "availability_zone_data": "{}"}
        zones = self.send("availabilityzoneprofiles", "availability_zone_profile", **data)
        zone = {"name": name, "availability_zone_profile_id": zones}
        return {
            "flavorprofiles": flavors,
            "flavor_profile_id": flavors,
            "flavors": self.send("flavors", "flavor", name=name, flavor_profile_id=flavors),
            "availabilityzoneprofiles": zones,
            "availability_zone_profile_id": zones,
            "availabilityzones": self.send("availabilityzones", "availability_zone", "name", **zone),
            "providers": "amphora",
        }

    def renew(self) -> None:
        """Create new resources of all kinds."""
        lb = self.send("loadbalancers", "loadbalancer", vip_subnet_id=self._subnet)
        listener = self.send("listeners", "listener", loadbalancer_id=lb, protocol="HTTP", protocol_port=80)
        pool = self.send("pools", "pool", listener_id=listener, protocol="HTTP", lb_algorithm="ROUND_ROBIN")
        member = self.send(f"pools/{pool}/members", "member", address="10.0.0.11", protocol_port=80)
        timing: dict[str, Any] = {"delay": 5, "timeout": 3, "max_retries": 2}
        monitor = self.send("healthmonitors", "healthmonitor", pool_id=pool, type="HTTP", **timing)
        policy = self.send("l7policies", "l7policy", listener_id=listener, action="REJECT")
        path = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/"}
        rule = self.send(f"l7policies/{policy}/rules", "rule", **path)
        self._worker.step()
        listed = self._client.get(
            f"/load-balancer/v2.0/octavia/amphorae?loadbalancer_id={lb}", headers={"X-Auth-Token": "admin"}
        )
        self.ids = {
            **self.admin_resources(),
            "amphorae": listed.json()["amphorae"][0]["id"],
            "loadbalancers": lb,
            "loadbalancer_id": lb,
            "listeners": listener,
            "listener_id": listener,
            "pools": pool,
            "pool_id": pool,
            "default_pool_id": pool,
            "redirect_pool_id": pool,
            "members": member,
            "healthmonitors": monitor,
            "l7policies": policy,
            "l7policy_id": policy,
            "rules": rule,
            "quotas": "p-red",
            "vip_subnet_id": self._subnet,
            "subnet_id": self._subnet,
        }

    def fill(self, case: Case[Any]) -> None:
        """Put the ids into a case's path and body."""
        parts = case.path.split("/")
        for before, part in pairwise(parts):
            name = part[1:-1]
            if part.startswith("{") and (before in self.ids or name in self.ids):
                case.path_parameters[name] = self.ids.get(before) or self.ids[name]
        if isinstance(case.body, dict):
            for form in case.body.values():
                if isinstance(form, dict):
                    form |= {name: self.ids[name] for name in set(form) & set(self.ids)}


@pytest.mark.slow
@pytest.mark.parametrize("user", ["alice", "admin"])
def test_every_answer_is_as_described(tmp_path: Path, user: str) -> None:
    cloud = Cloud(tmp_path)
    schema = schemathesis.openapi.from_asgi("/load-balancer/openapi.json", cloud.app)
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    app: Any = cloud.app
    with asgi.get_client(app) as client:
        client.headers["X-Auth-Token"] = user
        samples = Samples(cloud, client)
        tried = 0
        for operation in operations:

            @seed(SEED)
            @settings(
                max_examples=EXAMPLES,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(), real=st.booleans())
            def answers(case: Case[Any], real: bool) -> None:
                if real:
                    samples.fill(case)
                response = case.call(session=client, headers={"X-Auth-Token": user})
                nonlocal tried
                tried += 1
                # Octavia answers 501 for options that a provider does not have.
                assert response.status_code < 500 or response.status_code == 501, case.as_curl_command()
                case.validate_response(response, checks=CHECKS)

            samples.renew()
            answers()
    cloud.database.close()
    assert tried > len(operations)
