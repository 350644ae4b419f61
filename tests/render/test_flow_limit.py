"""The limit of a namespace's flows: the admitted rate, and rules that the real nft parses."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydria.render.flow_limit import admitted, burst, pause, render_flow_limit


@given(st.integers(0, 300_000), st.integers(1024, 200_000), st.none() | st.integers(1, 100_000))
def test_admitted_flows_fit_into_the_remaining_room(count: int, most: int, before: int | None) -> None:
    rate = admitted(count, most, before)
    if rate is None:
        assert count < most * 0.8
    elif count < most:
        assert burst(rate) + rate * pause(count, most) <= max(2, most - count)
        # Half of what is left and more may begin in a second: most of the bound can be used.
        assert 2 * rate > most - count
    else:
        assert rate == 1


def test_the_limit_is_lifted_at_fewer_flows_than_it_is_set() -> None:
    assert admitted(7500, 10_000, None) is None
    assert admitted(8000, 10_000, None) is not None
    assert admitted(7500, 10_000, 2048) is not None
    assert admitted(6900, 10_000, 2048) is None


@pytest.mark.parametrize("rate", [None, 1, 65536])
def test_nft_accepts_the_rules(rate: int | None) -> None:
    text = render_flow_limit(rate)
    done = subprocess.run(["nft", "-c", "-f", "-"], input=text, capture_output=True, text=True, check=False)
    assert done.stderr == ""
