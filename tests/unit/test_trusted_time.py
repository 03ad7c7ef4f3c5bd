"""Which times history may be deleted by."""

from daemon.domain.clock import HOUR_MS
from daemon.domain.trusted_time import TrustedTime

LAST = 1_800_000_000_000
YEAR_MS = 365 * 24 * HOUR_MS


def test_a_time_within_the_hour_after_the_last_one_is_plausible_and_so_is_any_before() -> None:
    for now in (LAST + HOUR_MS, LAST, LAST - YEAR_MS):
        assert TrustedTime(LAST).accept(now, 0)


def test_a_time_far_ahead_has_to_go_on_for_an_hour() -> None:
    trusted = TrustedTime(LAST)
    assert [trusted.accept(LAST + YEAR_MS + s * 1000, s) for s in (0, 600, 3599, 3600, 3601)] == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_an_hour_begins_anew_when_the_clock_jumps_again() -> None:
    trusted = TrustedTime(LAST)
    assert not trusted.accept(LAST + YEAR_MS, 0)
    assert not trusted.accept(LAST + 2 * YEAR_MS, 3600)
    assert not trusted.accept(LAST + 2 * YEAR_MS + HOUR_MS - 1, 7199.999)
    assert trusted.accept(LAST + 2 * YEAR_MS + HOUR_MS, 7200)


def test_a_clock_that_is_set_right_is_believed_at_once() -> None:
    trusted = TrustedTime(LAST)
    assert not trusted.accept(LAST + YEAR_MS, 0)
    assert trusted.accept(LAST + 600_000, 600)
    assert not trusted.accept(LAST + YEAR_MS, 1200)
