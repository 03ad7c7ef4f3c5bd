"""The largest value of the last five minutes."""

from daemon.telemetry.peak import Peak


def test_the_largest_is_kept_for_five_minutes_and_then_the_next_one() -> None:
    now = [0.0]
    peak = Peak(lambda: now[0])
    assert peak.read() == 0
    for at, value in ((0, 3.0), (61, 7.0), (62, 5.0), (200, 1.0)):
        now[0] = at
        peak.observe(value)
    assert peak.read() == 7
    now[0] = 61 + 299
    assert peak.read() == 1
    now[0] = 1_000
    assert peak.read() == 0
    peak.observe(2)
    assert peak.read() == 2
