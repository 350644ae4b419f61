"""keepalived's configuration: golden files that the real keepalived parses."""

import os
import subprocess
from pathlib import Path

import pytest
from msgspec import structs

from hydria.contract import Instance
from hydria.render.keepalived import render_keepalived
from tests.support.base_ports import paired, sibling

GOLDEN = Path(__file__).parent / "golden"

PAIR = paired()
SIX = structs.replace(
    PAIR,
    interfaces=(structs.replace(PAIR.interfaces[0], addresses=PAIR.interfaces[0].addresses[1:]),),
    siblings=(sibling(2), sibling(3)),
    vips=PAIR.vips[1:],
)
CASES = {"pair": PAIR, "pair_of_ipv6_and_a_third": SIX}


def complaint(text: str) -> str:
    """Have the real keepalived parse a configuration; return its complaints."""
    command = ("unshare", "--net", "sh", "-c", "ip link add eth0 type bridge; keepalived -t -f /dev/stdin")
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize("name", CASES)
def test_renders_as_the_golden_file_which_keepalived_accepts(name: str) -> None:
    text = render_keepalived(CASES[name], "eth0", "/run/hydria/amphorae/an example/haproxy.failed")
    file = GOLDEN / f"{name}.keepalived"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text()
    assert complaint(text) == ""


@pytest.mark.parametrize("path", ['/run/a"b', "/run/a\nb", "/run/a\\b"])
def test_a_path_that_no_configuration_can_hold_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no configuration of keepalived can hold"):
        render_keepalived(PAIR, "eth0", path)


def _without(instance: Instance) -> Instance:
    siblings = tuple(structs.replace(each, addresses=each.addresses[:1]) for each in instance.siblings)
    return structs.replace(instance, siblings=siblings)


def test_base_ports_without_a_common_ip_version_are_refused() -> None:
    with pytest.raises(ValueError, match="no IP version in common"):
        render_keepalived(_without(SIX), "eth0", "/run/x")
