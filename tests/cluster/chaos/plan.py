"""What a run is made of, as data made from its seed: teams, webhooks with their receivers' behaviour, submissions."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

TEAMS = ("acme", "globex", "initech")
EVENT_TYPES = (
    "linkedin.message.sent",
    "linkedin.message.received",
    "linkedin.invitation.sent",
    "linkedin.invitation.accepted",
    "prospect.qualification.manual",
    "prospect.unqualified",
)
# `twice`: each delivery fails twice; `flaky`: up to three times.
Behaviour = Literal["ok", "slow", "flaky", "twice", "down"]
# Webhook number n of a team behaves as entry n modulo 8 says.
_BEHAVIOURS: Sequence[Behaviour] = ("ok", "ok", "slow", "ok", "flaky", "ok", "down", "ok")
_MOST_IN_A_BATCH = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a run is. `rate` is in submissions a second, to all nodes together; the same seed repeats the plan.

    `spares` are nodes that do not run at the beginning. With a `pooler` nodes reach the database through pgbouncer.
    If credits are `enforced`, there are always too few. With `clocks` the wall clock of each node can be stepped.
    """

    seed: int
    nodes: int = 3
    spares: int = 0
    webhooks_per_team: int = 8
    rate: float = 20
    submitters: int = 12
    retry_delays_s: Sequence[float] = (0.1, 0.2, 0.4)
    pooler: bool = False
    enforced: bool = False
    clocks: bool = False


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a webhook was there: surely from `sure_from` to `sure_until`, perhaps from `begin` to `end`."""

    begin: float = -math.inf
    sure_from: float = -math.inf
    sure_until: float = math.inf
    end: float = math.inf


@dataclass(frozen=True, slots=True)
class Edit:
    """When it was asked for, and when the answer came."""

    asked: float
    answered: float = math.inf


@dataclass(frozen=True, slots=True)
class PlannedWebhook:
    """A webhook; `name` is also the path of its receiver. `pauses` are when it was disabled by hand.

    By the edit it gets the address and the secret of `edited_name`.
    """

    name: str
    team: str
    behaviour: Behaviour
    types: frozenset[str]
    lifetime: Lifetime = Lifetime()
    pauses: Sequence[Lifetime] = ()
    edit: Edit | None = None

    @property
    def edited_name(self) -> str:
        """The path of its receiver after the edit."""
        return f"{self.name}/edited"

    @property
    def stays_enabled(self) -> bool:
        """Whether it gets every event of its types while it is there."""
        return self.behaviour != "down"


@dataclass(frozen=True, slots=True)
class PlannedSubmission:
    """Some events of one team, each a type. Only with a key is it repeated when its answer is lost.

    One that is `doubled` is submitted once more after its answer, as if that had been lost.
    """

    team: str
    types: Sequence[str]
    keyed: bool
    doubled: bool


def planned_webhooks(plan: Plan) -> list[PlannedWebhook]:
    """Return the webhooks of the beginning: each event has a few of each behaviour."""
    return [
        PlannedWebhook(
            f"{team}-{number}-{behaviour}",
            team,
            behaviour,
            frozenset(EVENT_TYPES[(number + step) % len(EVENT_TYPES)] for step in range(3)),
        )
        for team in TEAMS
        for number in range(plan.webhooks_per_team)
        for behaviour in [_BEHAVIOURS[number % len(_BEHAVIOURS)]]
    ]


def planned_submissions(plan: Plan, submitter: int) -> Iterator[PlannedSubmission]:
    """Give one submitter's submissions, without end."""
    chance = random.Random(f"submissions {plan.seed} {submitter}")
    while True:
        count = 1 if chance.random() < 0.8 else chance.randrange(2, _MOST_IN_A_BATCH + 1)
        keyed = chance.random() < 0.7
        yield PlannedSubmission(
            chance.choice(TEAMS), chance.choices(EVENT_TYPES, k=count), keyed, doubled=keyed and chance.random() < 0.1
        )
