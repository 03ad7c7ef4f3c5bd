"""What a kill run does, as data made from its seed: webhooks, their behaviour, submissions, moments of the kills."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

TEAM = "acme"
EVENT_TYPES = (
    "linkedin.message.sent",
    "linkedin.message.received",
    "linkedin.invitation.sent",
    "linkedin.invitation.accepted",
    "prospect.qualification.manual",
    "prospect.unqualified",
)
# Webhook number n behaves as entry n modulo 10 says; those of the last two are edited, disabled and deleted at will.
_BEHAVIOURS = ("healthy", "healthy", "healthy", "moody", "flaky", "flaky", "slow", "down", "healthy", "flaky")
_FIRST_BY_HAND = 8


@dataclass(frozen=True, slots=True)
class KillPlan:
    """How large the run is; the same seed gives the same plan."""

    seed: int
    kills: int
    webhooks: int = 40
    connections: int = 6
    events_per_kill: int = 250

    @property
    def events(self) -> int:
        """After how many events nothing more is submitted."""
        return self.kills * self.events_per_kill


@dataclass(frozen=True, slots=True)
class PlannedWebhook:
    """One of the receivers that are registered at the beginning."""

    number: int
    path: str
    event_type: str
    by_hand: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """When a life ends: after so many more acknowledged events, ended deliveries, or milliseconds of its start.

    After `fan_outs` it ends in the middle of one, so many looks after the first that shows it.
    """

    after: Literal["events", "deliveries", "fan_outs", "start_ms"]
    count: int


def planned_webhooks(plan: KillPlan) -> list[PlannedWebhook]:
    """Return the webhooks of the beginning."""
    return [
        PlannedWebhook(
            number,
            f"/{_BEHAVIOURS[number % 10]}/{number}",
            EVENT_TYPES[number % len(EVENT_TYPES)],
            number % 10 >= _FIRST_BY_HAND,
        )
        for number in range(plan.webhooks)
    ]


def planned_kills(plan: KillPlan) -> Iterator[Moment]:
    """Give the moment of each kill."""
    chance = random.Random(f"kills {plan.seed}")
    for _ in range(plan.kills):
        match chance.randrange(8):
            case 0:
                yield Moment("start_ms", chance.randrange(100, 900))
            case 1 | 2 | 3:
                yield Moment("deliveries", chance.randrange(1, 6 * plan.events_per_kill))
            case 4:
                yield Moment("fan_outs", chance.randrange(1, 5))
            case _:
                yield Moment("events", chance.randrange(1, 2 * plan.events_per_kill))


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One submission: how many events, and whether it has an idempotency key and so is repeated until answered.

    One that is `doubled` is made once more after its answer, as if that had been lost.
    """

    events: int
    keyed: bool
    doubled: bool


def planned_requests(plan: KillPlan, connection: int) -> Iterator[PlannedRequest]:
    """Give one connection's submissions, without end."""
    chance = random.Random(f"requests {plan.seed} {connection}")
    while True:
        events = 1 if chance.random() < 0.7 else chance.randrange(2, 30)
        keyed = chance.random() < 0.6
        yield PlannedRequest(events, keyed, doubled=keyed and chance.random() < 0.2)
