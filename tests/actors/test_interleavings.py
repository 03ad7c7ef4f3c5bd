"""Random steps on three webhooks in random order: nothing is lost or reordered, counters and charges are right."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Literal

import httpx
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from daemon.delivery.open_outcomes import MOST_OPEN
from daemon.domain.errors import StoreUnavailable, WebhookInactive
from daemon.domain.model import Delivery, DeliveryStatus, Team, Webhook
from daemon.seams import Seams
from tests.support.daemon import FakeReceiver, FakeThread, RunningDaemon, VirtualWallClock, running, skip_ahead

URLS = tuple(f"https://{name}.example/hook" for name in "abc")

Kind = Literal[
    "submit",
    "break",
    "mend",
    "bug",
    "disable",
    "enable",
    "resend",
    "recover",
    "crash",
    "wait",
    "slow disk",
    "slow commits",
]
Step = tuple[Kind, int]

# The relative frequency of each kind of step.
WEIGHTS: dict[Kind, int] = {
    "submit": 4,
    "wait": 2,
    "break": 2,
    "mend": 1,
    "bug": 1,
    "disable": 1,
    "enable": 2,
    "resend": 1,
    "recover": 1,
    "crash": 1,
    "slow disk": 1,
    "slow commits": 1,
}
KINDS = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]
PLANS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 11)), min_size=5, max_size=30)


@dataclass(slots=True)
class World:
    """What outlives a crash of the daemon: the receivers, and what they were sent."""

    path: Path
    receiver: FakeReceiver = field(default_factory=FakeReceiver)
    clock: VirtualWallClock = field(default_factory=VirtualWallClock)
    run_write: FakeThread = field(default_factory=FakeThread)
    run_read: FakeThread = field(default_factory=FakeThread)
    broken: set[str] = field(default_factory=set)
    buggy: set[str] = field(default_factory=set)
    answered_2xx: Counter[str] = field(default_factory=Counter)
    in_flight: Counter[str] = field(default_factory=Counter)
    overlaps: list[str] = field(default_factory=list)
    submitted: int = 0
    lives_began: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.receiver.answers = dict.fromkeys(URLS, self.answer)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url)
        self.in_flight[url] += 1
        if self.in_flight[url] > 1:
            self.overlaps.append(url)
        try:
            await trio.sleep(0.3)
        finally:
            self.in_flight[url] -= 1
        if url in self.buggy:
            self.buggy.remove(url)
            raise RuntimeError("a bug in the transport")
        if url in self.broken:
            return httpx.Response(500)
        self.answered_2xx[request.headers["webhook-id"]] += 1
        return httpx.Response(200)

    def adapt(self, seams: Seams) -> Seams:
        return replace(seams, run_write=self.run_write, run_read=self.run_read)


@given(PLANS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_order_counters_and_charges_are_right_and_nothing_is_lost(plan: list[Step]) -> None:
    with TemporaryDirectory() as path:
        trio.run(live_through, plan, Path(path), clock=MockClock(autojump_threshold=0))


async def live_through(plan: Sequence[Step], path: Path) -> None:
    world, webhooks, team = World(path), list[Webhook](), None
    lives = split_at_crashes(plan)
    for number, life in enumerate(lives):
        world.lives_began.append(len(world.receiver.arrivals))
        async with running(path, world.receiver, world.clock, adapt=world.adapt) as daemon:
            if team is None:
                team = await daemon.team()
                webhooks = [await daemon.webhook(team, url) for url in URLS]
            async with trio.open_nursery() as nursery:
                for step in life:
                    nursery.start_soon(make, step, daemon, world, team, webhooks)
                    await trio.sleep(0.05)
                if number < len(lives) - 1:
                    await trio.sleep(0.5)
                    nursery.cancel_scope.cancel()
            if number == len(lives) - 1:
                await settle(daemon, world, webhooks)
                for webhook in webhooks:
                    check_deliveries(await daemon.deliveries(webhook), webhook, world)
                assert world.overlaps == [], "one delivery at a time"
                await check_charges(daemon, team, webhooks)


def split_at_crashes(plan: Sequence[Step]) -> list[list[Step]]:
    lives: list[list[Step]] = [[]]
    for step in plan:
        if step[0] == "crash":
            lives.append([])
        else:
            lives[-1].append(step)
    return lives


async def make(step: Step, daemon: RunningDaemon, world: World, team: Team, webhooks: Sequence[Webhook]) -> None:
    kind, number = step
    webhook = webhooks[number % 3]
    match kind:
        case "submit":
            count = 1 + 2 * number
            world.submitted += count
            await daemon.submit(team, *range(world.submitted - count, world.submitted))
        case "break":
            world.broken.add(webhook.url)
        case "mend":
            world.broken.discard(webhook.url)
        case "bug":
            world.buggy.add(webhook.url)
        case "slow disk":
            world.run_write.answer_s = world.run_read.begin_s = world.run_read.answer_s = 0.01 * number
        case "slow commits":  # several successes are on their way at once
            world.run_write.begin_s = 0.2 * number
        case "wait":
            await trio.sleep(number)
        case _:
            await change(kind, daemon, webhook)


async def change(kind: Kind, daemon: RunningDaemon, webhook: Webhook) -> None:
    try:
        match kind:
            case "disable" | "enable":
                await daemon.change(webhook, active=kind == "enable")
            case "recover":
                await daemon.parts.replays.recover(webhook.id, 0)
            case "resend":
                if deliveries := await daemon.deliveries(webhook):
                    await daemon.parts.replays.resend(Random(1).choice(deliveries).id)
    except (StoreUnavailable, WebhookInactive):
        pass  # a refusal is an answer too


async def settle(daemon: RunningDaemon, world: World, webhooks: Sequence[Webhook]) -> None:
    """Repair everything, and wait until every delivery must have ended."""
    world.broken.clear()
    world.buggy.clear()
    world.run_write.begin_s = world.run_write.answer_s = world.run_read.begin_s = world.run_read.answer_s = 0
    await trio.sleep(900)
    await skip_ahead(2700)


def check_deliveries(deliveries: Sequence[Delivery], webhook: Webhook, world: World) -> None:
    assert DeliveryStatus.PENDING not in {delivery.status for delivery in deliveries}, "nothing is left lying"
    by_id = {delivery.id: delivery for delivery in deliveries}
    arrivals = [arrival for arrival in world.receiver.at(webhook.url) if arrival.delivery_id in by_id]
    assert len(arrivals) == len(world.receiver.at(webhook.url))
    seen = set[tuple[str, int]]()
    for began, ended in pairwise([*world.lives_began, len(world.receiver.arrivals)]):
        of_life = [one for one in world.receiver.arrivals[began:ended] if one.url == webhook.url]
        seqs = [by_id[arrival.delivery_id].seq for arrival in of_life]
        assert seqs == sorted(seqs), "in the order of acceptance"
        names = [(arrival.delivery_id, arrival.attempt) for arrival in of_life]
        assert len(seen.intersection(names)) <= MOST_OPEN, "a crash repeats a few"
        seen.update(names)
    for delivery in deliveries:
        attempts = [arrival.attempt for arrival in arrivals if arrival.delivery_id == delivery.id]
        assert attempts == sorted(attempts)
        assert set(attempts) >= set(range(1, delivery.attempts_made + 1)), "no attempt is skipped"
        assert delivery.attempts_made <= 4
        if delivery.status is DeliveryStatus.SUCCEEDED:
            assert world.answered_2xx[delivery.id] >= 1
        if delivery.status is DeliveryStatus.FAILED:
            assert delivery.attempts_made == 4


async def check_charges(daemon: RunningDaemon, team: Team, webhooks: Sequence[Webhook]) -> None:
    succeeded = [
        delivery.id
        for webhook in webhooks
        for delivery in await daemon.deliveries(webhook)
        if delivery.status is DeliveryStatus.SUCCEEDED
    ]
    ledger = await daemon.ledger(team)
    assert sorted(str(entry.delivery_id) for entry in ledger) == sorted(succeeded)
    assert await daemon.balance(team) == -2 * len(succeeded)
    for webhook in webhooks:
        await check_counter(daemon, webhook)


async def check_counter(daemon: RunningDaemon, webhook: Webhook) -> None:
    current = await daemon.current(webhook)
    assert current.consecutive_failures <= 4
    if current.consecutive_failures == 4:
        assert not current.active
    # Memory and database agree: what is submitted now is delivered if, and only if, the webhook is active.
    before = len(await daemon.deliveries(webhook))
    await daemon.submit(Team(webhook.team_id, "", (), 0), -1)
    await trio.sleep(60)
    after = await daemon.deliveries(webhook)
    assert len(after) - before == current.active
    assert all(delivery.status is not DeliveryStatus.PENDING for delivery in after)
