"""The APIs of the simulated OpenStack as one user, for tests and the tutorial."""

import time
from typing import Any

import httpx

from cluster.nodes import Node
from hydria.adapters.linux.netns import inside
from hydria.errors import HostError
from stack import hydria
from stack.plan import BARBICAN, NEUTRON, OCTAVIA, Plan, url

_LBAAS = f"{url(OCTAVIA)}/load-balancer/v2.0"
_SECONDS = 60.0
_PAUSE = 0.1


def http_balancer(name: str, attributes: dict[str, Any], members: list[str]) -> dict[str, Any]:
    """Return the body of a load balancer for HTTP over members, with a health monitor."""
    pool = {
        "name": name,
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "healthmonitor": {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1},
        "members": [{"address": each, "protocol_port": 80} for each in members],
    }
    listener = {"name": name, "protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
    return {"loadbalancer": {"name": name, "listeners": [listener], **attributes}}


class Api:
    """The services' APIs as a user in the project of the same name. Every method raises HostError."""

    def __init__(self, plan: Plan, control: Node, user: str = "demo") -> None:
        self._control = control
        with inside(control.network):
            self._token = hydria.token(plan, user, user)

    def send(self, method: str, address: str, body: Any = None) -> httpx.Response:
        """Send a request and return the answer, whatever it is."""
        with inside(self._control.network):
            headers = {"X-Auth-Token": self._token}
            return httpx.request(method, address, json=body, headers=headers, trust_env=False, timeout=60)

    def neutron(self, method: str, path: str, body: Any = None) -> Any:
        """Return the body of an answer of Neutron's; the path is below `/v2.0/`."""
        return self._body(method, f"{url(NEUTRON)}/v2.0/{path}", body)

    def octavia(self, method: str, path: str, body: Any = None) -> Any:
        """Return the body of an answer of Hydria's; the path is below `/v2.0/`, such as `lbaas/pools`."""
        return self._body(method, f"{_LBAAS}/{path}", body)

    def barbican(self, method: str, path: str, body: Any = None) -> Any:
        """Return the body of an answer of Barbican's; the path is below `/v1/`."""
        return self._body(method, f"{url(BARBICAN)}/v1/{path}", body)

    def load_balancer(self, name: str, vip: dict[str, Any], members: list[str], **attributes: Any) -> dict[str, Any]:
        """Create a load balancer for HTTP over members, with a health monitor; return it when it is ACTIVE."""
        body = http_balancer(name, {**vip, **attributes}, members)
        made: dict[str, Any] = self.octavia("POST", "lbaas/loadbalancers", body)["loadbalancer"]
        self.await_status(made["id"])
        return made

    def await_status(self, load_balancer_id: str, wanted: str = "ACTIVE", *, seconds: float = _SECONDS) -> None:
        """Wait until a load balancer is in a provisioning status, `DELETED` for its end."""
        deadline, status = time.monotonic() + seconds, ""
        while time.monotonic() < deadline:
            answer = self.send("GET", f"{_LBAAS}/lbaas/loadbalancers/{load_balancer_id}")
            found = answer.json().get("loadbalancer", {})
            status = "DELETED" if answer.status_code == httpx.codes.NOT_FOUND else found.get("provisioning_status", "")
            if status == wanted:
                return
            time.sleep(_PAUSE)
        reason = self.send("GET", f"{_LBAAS}/lbaas/loadbalancers/{load_balancer_id}/status").text
        raise HostError(f"The load balancer is {status} and not {wanted}: {reason}")

    def delete(self, load_balancer_id: str) -> None:
        """Delete a load balancer with everything below it, and wait until it is gone."""
        self.octavia("DELETE", f"lbaas/loadbalancers/{load_balancer_id}?cascade=true")
        self.await_status(load_balancer_id, "DELETED")

    def amphorae(self, load_balancer_id: str) -> list[dict[str, Any]]:
        """Return the amphorae of a load balancer, as the admin sees them."""
        return list(self.octavia("GET", f"octavia/amphorae?loadbalancer_id={load_balancer_id}")["amphorae"])

    def host_of(self, amphora: dict[str, Any]) -> str:
        """Return the name of an amphora's host, which the admin sees."""
        hosts = {each["id"]: each["name"] for each in self.octavia("GET", "octavia/hosts")["hosts"]}
        return str(hosts[amphora["compute_id"]])

    def floating_ip(self, port_id: str, network_id: str) -> str:
        """Return a new floating IP of a port."""
        body = {"floatingip": {"floating_network_id": network_id, "port_id": port_id}}
        return str(self.neutron("POST", "floatingips", body)["floatingip"]["floating_ip_address"])

    def _body(self, method: str, address: str, body: Any) -> Any:
        answer = self.send(method, address, body)
        if not answer.is_success:
            raise HostError(f"{method} {address} is refused ({answer.status_code}): {answer.text}")
        return answer.json() if answer.content else None
