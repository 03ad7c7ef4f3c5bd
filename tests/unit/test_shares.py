"""What teams share."""

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.actors.shares import Share


def test_a_team_takes_at_most_half_of_what_the_others_leave() -> None:
    share = Share(100)
    assert share.most == 50
    assert share.fits("a", 50)
    assert not share.fits("a", 51)
    share.take("a", 50)
    assert not share.fits("a", 1)
    assert (share.fits("b", 25), share.fits("b", 26)) == (True, False)
    share.give_back("a", 50)
    assert (share.taken, share.of("a"), share.fits("b", 50)) == (0, 0, True)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 300)), max_size=60))
@settings(max_examples=200, derandomize=True, database=None)
def test_what_fits_never_exceeds_the_limit(wanted: list[tuple[str, int]]) -> None:
    share = Share(1_000)
    for team, amount in wanted:
        if share.fits(team, amount):
            share.take(team, amount)
        assert share.taken <= share.limit
