"""A rebooted host serves plain listeners before its server answers, and then all listeners."""

import base64
import contextlib
import http.client
import ssl

from tests.linux.haproxies import ask, get
from tests.linux.programs import Product, product
from tests.support.certificates import authority, leaf
from tests.support.waiting import wait_until

VIP = "10.0.0.100"


def store(made: Product) -> str:
    """Return the reference of a certificate with its key."""
    bundle = base64.b64encode(leaf(VIP).pkcs12()).decode()
    form = {"payload": bundle, "payload_content_type": "application/octet-stream", "payload_content_encoding": "base64"}
    reference: str = made.ask("POST", "/key-manager/v1/secrets", form).json()["secret_ref"]
    return reference


def answered(made: Product, *, by_tls: bool) -> bool:
    with contextlib.suppress(OSError):
        if not by_tls:
            return get(made.client, VIP, timeout=1)[0] == 200
        how = ssl.create_default_context(cadata=authority().pem)
        connection = http.client.HTTPSConnection(VIP, 443, timeout=1, context=how)
        return ask(made.client, connection, "/")[0].status == 200
    return False


def test_plain_listeners_are_back_before_the_server_is() -> None:
    with product() as made:
        made.start("server", "agent")
        made.surroundings(11, 12)
        form = made.form("lb", VIP)
        (plain,) = form["listeners"]
        secure = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": store(made)}
        form["listeners"].append(secure | {"default_pool": {"name": "pool"}})
        form["pools"] = [plain.pop("default_pool")]
        plain["default_pool"] = {"name": "pool"}
        made.make("loadbalancers", "loadbalancer", **form)
        made.becomes("ACTIVE")
        wait_until(lambda: answered(made, by_tls=True))
        made.kill("server", "agent")
        made.reboot()
        made.start("agent")
        made.rewire(11, 12)
        wait_until(lambda: answered(made, by_tls=False))
        assert not answered(made, by_tls=True)
        made.start("server")
        wait_until(lambda: answered(made, by_tls=True))
        # Reports about the partial instance do not count.
        assert made.status() == "ACTIVE"
        assert answered(made, by_tls=False)
