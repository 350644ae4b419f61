"""The rules of a hand-over: a golden file, which the real nft parses."""

import os
import subprocess
from pathlib import Path

import pytest

from hydria.render.hand_over import Connection, render_hand_over

GOLDEN = Path(__file__).parent / "golden" / "hand_over.nft"

VIPS = ("10.0.0.10", "2001:db8::10")
MACS = ("fa:16:3e:00:01:01",)
OLD = ("10.0.0.21", "2001:db8::21")
OWN = (Connection("192.0.2.7", 5001, "10.0.0.10", 80), Connection("2001:db8::7", 5002, "2001:db8::10", 443))


def complaint(text: str) -> str:
    """Have the real nft parse rules; return its complaints."""
    command = ("unshare", "--net", "sh", "-c", "ip link add eth0 type bridge; nft --check --file -")
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
    return done.stderr if done.returncode else ""


def test_renders_as_the_golden_file_which_nft_accepts() -> None:
    text = render_hand_over(VIPS, OLD, "eth0", MACS, OWN)
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
    assert complaint(text) == ""


@pytest.mark.parametrize("own", [None, (), OWN])
@pytest.mark.parametrize("to", [(), OLD[:1], OLD[1:], OLD])
@pytest.mark.parametrize("vips", [VIPS[:1], VIPS[1:], VIPS])
def test_nft_accepts_the_rules_of_every_ip_version(
    vips: tuple[str, ...], to: tuple[str, ...], own: tuple[Connection, ...] | None
) -> None:
    text = render_hand_over(vips, to, "eth0", MACS, own)
    assert complaint(text) == ""
    versions = {":" in vip for vip in vips} & {":" in each for each in to}
    assert text.count("dup to") == (0 if own is None else len(versions))
