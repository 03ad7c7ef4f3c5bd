"""Power cuts in the middle of submissions and deliveries: what was acknowledged is delivered, charged and counted once.

Whoever submits repeats what was not acknowledged, under the same Idempotency-Key: so each event exists exactly once,
and what must become of each delivery is known beforehand.
"""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import trio

from daemon.delivery.open_outcomes import MOST_OPEN
from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import Operator, make_event, operated
from tests.support.process import Installation
from tests.support.receivers import Exchange, Receiver, open_receiver, response

WEBHOOKS = 10
# How many events each connection submits, and how many at once. A number tells its connection and its place.
CONNECTIONS = ((200, 1), (200, 1), (800, 25), (800, 40))
EVENTS = sum(events for events, _ in CONNECTIONS)
KILLS = 2
# Two events of each type, submitted last: half of the webhooks fail at both.
FINALE = range(9000, 9010)
EVENT_TYPES = (
    "linkedin.message.sent",
    "linkedin.message.received",
    "linkedin.invitation.sent",
    "linkedin.invitation.accepted",
    "prospect.unqualified",
)


def type_of(number: int) -> str:
    return EVENT_TYPES[number % len(EVENT_TYPES)]


def subscribed_type(webhook: int) -> str:
    return EVENT_TYPES[webhook % len(EVENT_TYPES)]


def numbers_of(connection: int) -> range:
    return range(connection * 1000, connection * 1000 + CONNECTIONS[connection][0])


def is_lost_cause(webhook: int, number: int) -> bool:
    """Whether this webhook never takes this event; never so often in a row that it would be disabled."""
    return webhook % 2 == 1 if number in FINALE else number % 97 == webhook


def is_flaky(webhook: int, number: int) -> bool:
    """Whether this webhook takes this event at the second try only."""
    return number % 31 == webhook


@dataclass(slots=True)
class Receivers:
    """What all webhooks saw: for each, the numbers and the attempts in the order of their arrival."""

    numbers: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    deliveries: defaultdict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    attempts: Counter[tuple[int, int]] = field(default_factory=Counter)

    async def __call__(self, exchange: Exchange) -> None:
        webhook = int(exchange.request.request_line.split()[1].rpartition("/")[2])
        number: int = json.loads(exchange.request.body)["data"]["n"]
        self.numbers[webhook].append(number)
        delivery_id = exchange.request.header("webhook-id")
        assert delivery_id
        self.deliveries[webhook][delivery_id] = number
        self.attempts[webhook, number] += 1
        await exchange.send(response(self._status(webhook, number)))

    def _status(self, webhook: int, number: int) -> int:
        first = self.attempts[webhook, number] == 1
        return 500 if is_lost_cause(webhook, number) or (first and is_flaky(webhook, number)) else 200


@dataclass(slots=True)
class Submitters:
    """Several connections that submit at once, each its own numbers in order, until all are acknowledged."""

    installation: Installation
    acknowledged: list[int] = field(default_factory=list)
    up: trio.Event = field(default_factory=trio.Event)
    _progress: trio.Event = field(default_factory=trio.Event)

    async def run(self, key: str) -> None:
        async with trio.open_nursery() as nursery:
            for connection in range(len(CONNECTIONS)):
                nursery.start_soon(self._submit_all, connection, key)

    async def reached(self, count: int) -> None:
        """Wait until so many events are acknowledged."""
        while len(self.acknowledged) < count:
            await self._progress.wait()

    async def _submit_all(self, connection: int, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(
            base_url=self.installation.url, headers=headers, trust_env=False, verify=False
        ) as http:
            for numbers in _portions(connection):
                while not await self._submit(http, numbers):
                    await self.up.wait()
                self.acknowledged += numbers
                self._progress.set()
                self._progress = trio.Event()

    async def _submit(self, http: httpx.AsyncClient, numbers: Sequence[int]) -> bool:
        events = events_of(numbers)
        path, body = ("/v1/events", events[0]) if len(events) == 1 else ("/v1/events/batch", events)
        await trio.lowlevel.checkpoint()
        try:
            answer = await http.post(path, json=body, headers={"Idempotency-Key": f"portion {numbers[0]}"})
        except httpx.TransportError:
            return False
        assert answer.status_code == 202, answer.text
        return True


def events_of(numbers: Iterable[int]) -> list[dict[str, Any]]:
    return [make_event(number, event=type_of(number)) for number in numbers]


def _portions(connection: int) -> Iterator[list[int]]:
    numbers, step = list(numbers_of(connection)), CONNECTIONS[connection][1]
    for start in range(0, len(numbers), step):
        yield numbers[start : start + step]


@pytest.mark.parametrize("seed", [20261])
@ends_within(90)
async def test_kills_in_the_middle_of_2000_events_lose_nothing_and_charge_nothing_twice(
    new_installation: MakeInstallation, seed: int
) -> None:
    chance = random.Random(seed)
    kills = sorted(chance.sample(range(100, EVENTS - 100), KILLS))
    installation = new_installation(delivery={"retry_delays_s": [0.005, 0.005, 0.005]}, log={"level": "info"})
    receivers, submitters = Receivers(), Submitters(installation)
    async with open_receiver(receivers) as receiver, trio.open_nursery() as nursery:
        webhooks: list[str] = []
        for kill_at in kills:
            async with operated(installation) as operator:
                if not webhooks:
                    webhooks = await register(operator, receiver)
                    nursery.start_soon(submitters.run, installation.read_key())
                submitters.up.set()
                await submitters.reached(kill_at)
                submitters.up = trio.Event()
                await operator.daemon.kill()
        async with operated(installation) as operator:
            submitters.up.set()
            await submitters.reached(EVENTS)
            await operator.call("POST", "/v1/events/batch", events_of(FINALE), expect=202)
            await operator.until_nothing_is_pending()
            await operator.daemon.kill()
        async with operated(installation) as operator:
            for number, webhook_id in enumerate(webhooks):
                await check_webhook(operator, receivers, number, webhook_id)
            await check_ledger(operator)


async def register(operator: Operator, receiver: Receiver) -> list[str]:
    await operator.make_team()
    made = [
        await operator.make_webhook(f"{receiver.url}/{number}", subscribed_type(number)) for number in range(WEBHOOKS)
    ]
    return [webhook["id"] for webhook in made]


async def check_webhook(operator: Operator, receivers: Receivers, webhook: int, webhook_id: str) -> None:
    deliveries = await operator.deliveries(webhookId=webhook_id)
    accepted = [receivers.deliveries[webhook][delivery["id"]] for delivery in deliveries]
    submitted = [number for connection in range(len(CONNECTIONS)) for number in numbers_of(connection)]
    expected = [number for number in (*submitted, *FINALE) if type_of(number) == subscribed_type(webhook)]
    assert sorted(accepted) == expected, "each acknowledged event became one delivery, though it was submitted again"
    assert list(dict.fromkeys(receivers.numbers[webhook])) == accepted, "first arrivals are in the order of acceptance"
    for connection in range(len(CONNECTIONS)):
        mine = [number for number in accepted if number in numbers_of(connection)]
        assert mine == sorted(mine), "what one connection submitted one after the other stays in this order"
    statuses = ["failed" if is_lost_cause(webhook, number) else "succeeded" for number in accepted]
    assert [delivery["status"] for delivery in deliveries] == statuses
    check_attempts(deliveries, accepted, receivers, webhook)
    shown = await operator.call("GET", f"/v1/webhooks/{webhook_id}")
    assert shown["active"]
    assert shown["consecutiveFailures"] == (2 if webhook % 2 else 0)


def check_attempts(deliveries: list[dict[str, Any]], accepted: list[int], receivers: Receivers, webhook: int) -> None:
    for delivery, number in zip(deliveries, accepted, strict=True):
        made, seen = delivery["attemptsMade"], receivers.attempts[webhook, number]
        assert made <= seen, "an attempt that was committed was made"
        if is_lost_cause(webhook, number):
            assert made == 4
        else:
            assert made in ({1, 2} if is_flaky(webhook, number) else {1})
    arrived = len(receivers.numbers[webhook])
    needed = sum(4 if is_lost_cause(webhook, number) else 1 + is_flaky(webhook, number) for number in accepted)
    assert arrived - needed <= KILLS * MOST_OPEN, "a kill repeats at most what a webhook has on its way to disk"


async def check_ledger(operator: Operator) -> None:
    succeeded = await operator.deliveries(status="succeeded")
    entries = await operator.list_all("/v1/credits/entries", teamId="acme")
    assert Counter(entry["deliveryId"] for entry in entries) == Counter(delivery["id"] for delivery in succeeded)
    assert {entry["amount"] for entry in entries} == {-2}
    balances = [entry["balanceAfter"] for entry in reversed(entries)]
    assert balances == [-2 * place for place in range(1, len(entries) + 1)]
    assert (await operator.call("GET", "/v1/credits", teamId="acme"))["balance"] == -2 * len(succeeded)
