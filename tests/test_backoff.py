"""The pauses between attempts."""

from hypothesis import given
from hypothesis import strategies as st

from hydria.backoff import Backoff


def test_pauses_double_up_to_the_longest_and_begin_again_after_a_success() -> None:
    backoff = Backoff(1, 5, uniform=lambda _, longest: longest)
    assert [backoff.next() for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.next() == 1


@given(st.floats(0, 1))
def test_a_pause_is_drawn_between_half_and_all_of_it(share: float) -> None:
    backoff = Backoff(1, 4, uniform=lambda least, most: least + share * (most - least))
    for whole in (1, 2, 4, 4):
        assert whole / 2 <= backoff.next() <= whole


def test_two_callers_do_not_keep_in_step() -> None:
    one, other = Backoff(1, 1), Backoff(1, 1)
    assert [one.next() for _ in range(20)] != [other.next() for _ in range(20)]
