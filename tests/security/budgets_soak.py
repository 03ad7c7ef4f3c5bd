"""The large forms of the attacks on what all teams share, for `make soak`."""

from functools import partial
from pathlib import Path

import trio

from tests.security.fan_out_attack import FanOut, attack_with_fan_out
from tests.security.mass_cancel_attack import Way, cancel_by_mass
from tests.security.neighbour import check_neighbour, figures
from tests.security.slow_names_attack import attack_with_slow_names

DEAD_NAMES, DEAD_NAMES_S = 2_200, 190
FAN_OUT = FanOut(webhooks=1_000, events=90, seconds=60)


def soak_slow_names(directory: Path) -> str:
    """Let one team have thousands of webhooks in a dead zone; return how its neighbour fared."""
    attacked = trio.run(attack_with_slow_names, directory, DEAD_NAMES, DEAD_NAMES_S)
    check_neighbour(attacked.seen)
    return f"{attacked.names_hung} names hung; {figures(attacked.seen)}"


def soak_fan_out(directory: Path) -> str:
    """Let one team submit for a minute what makes 90,000 deliveries each time; return how its neighbour fared."""
    attacked = trio.run(attack_with_fan_out, directory, FAN_OUT)
    check_neighbour(attacked.seen)
    return f"answers {dict(attacked.statuses)}; {figures(attacked.seen)}"


def soak_mass_cancelling(way: Way, count: int, directory: Path) -> str:
    """Have a webhook with `count` pending deliveries disabled or deleted; return how a neighbour fared."""
    cancelled = trio.run(partial(cancel_by_mass, directory, count, way))
    assert cancelled.statuses == {"cancelled": count}
    check_neighbour(cancelled.seen)
    return f"{count} cancelled in {cancelled.cancelled_s:.0f} s; {figures(cancelled.seen)}"
