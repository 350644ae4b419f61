"""What the stock client asks of a plugin (osc-lib, "Plugins"): its API's name, versions, options and client."""

import argparse
from typing import Any

DEFAULT_API_VERSION = "2"
API_VERSION_OPTION = "os_hydria_api_version"
API_NAME = "hydria"
API_VERSIONS = {"2": "hydria.osc.plugin.Client"}


class Client:
    """Octavia's API in the stock client's session."""

    def __init__(self, session: Any, region: str | None, interface: str) -> None:
        self._session = session
        self._filter = {"service_type": "load-balancer", "region_name": region, "interface": interface}

    def ask(self, method: str, path: str, body: Any = None, *, dry_run: bool = False) -> Any:
        """Send a request below `/lbaas`; return the answer's body. Raises the session's errors."""
        answer = self._session.request(
            f"/v2.0/lbaas/{path}",
            method,
            json=body,
            endpoint_filter=self._filter,
            headers={"Dry-Run": "true"} if dry_run else {},
        )
        return answer.json() if answer.content else {}


def make_client(instance: Any) -> Client:
    """Return the client of a client manager."""
    return Client(instance.session, instance.region_name, instance.interface)


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the option of the API's version."""
    parser.add_argument(
        "--os-hydria-api-version", metavar="<version>", default=DEFAULT_API_VERSION, help=argparse.SUPPRESS
    )
    return parser
