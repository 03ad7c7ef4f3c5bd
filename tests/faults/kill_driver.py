"""Those who use the daemon of the kill suite: submitters that want every event in, and somebody who changes webhooks.

Both live through every kill. A request that was cut off is unsure: with an idempotency key it is made again, without
one its events are noted down as perhaps accepted.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import trio

from tests.faults.evidence import Receipt
from tests.faults.kill_plan import (
    EVENT_TYPES,
    TEAM,
    KillPlan,
    PlannedRequest,
    planned_requests,
    planned_webhooks,
)
from tests.support.patient_client import make_patient_client

_REST_S = 0.5


@dataclass(slots=True)
class Ledger:
    """What those who use the daemon know: receipts, doubts, and whose webhooks were changed at will."""

    receipts: list[Receipt] = field(default_factory=list)
    unsure: set[int] = field(default_factory=set)
    by_hand: set[str] = field(default_factory=set)
    enablings: int = 0
    changes: int = 0


@dataclass(slots=True)
class Driver:
    """Submitters and changes, all at once. `up` is set while a daemon runs, `finished` when all is submitted.

    They go on until one webhook at least was disabled by its failures and enabled again.
    """

    plan: KillPlan
    url: str
    receiver_url: str
    ledger: Ledger = field(default_factory=Ledger)
    up: trio.Event = field(default_factory=trio.Event)
    finished: trio.Event = field(default_factory=trio.Event)
    _numbers: "count[int]" = field(default_factory=count)
    _submitted: int = 0
    _progress: trio.Event = field(default_factory=trio.Event)

    async def run(self, key: str) -> None:
        """Submit and change until all events of the plan are submitted, and a webhook was enabled again."""
        async with self._client(key) as http, trio.open_nursery() as changing:
            changing.start_soon(self._change_webhooks, http)
            async with trio.open_nursery() as submitting:
                for connection in range(self.plan.connections):
                    submitting.start_soon(self._submit_all, http, connection)
            changing.cancel_scope.cancel()
        self.finished.set()
        self._moved()

    async def register(self, key: str) -> None:
        """Make the team and the webhooks of the plan."""
        async with self._client(key) as http:
            team = {"id": TEAM, "name": "Acme", "notificationEmails": ["ops@example.com"]}
            await _call(http, "POST", "/v1/teams", team)
            for planned in planned_webhooks(self.plan):
                made = await _call(http, "POST", "/v1/webhooks", self._webhook(planned.path, planned.event_type))
                if planned.by_hand:
                    self.ledger.by_hand.add(made["id"])

    async def reached(self, events: int) -> None:
        """Wait until so many events were answered or given up, or all are submitted."""
        while self._submitted < events and not self.finished.is_set():
            await self._progress.wait()

    @property
    def submitted(self) -> int:
        """How many events were answered or given up."""
        return self._submitted

    def _client(self, key: str) -> httpx.AsyncClient:
        return make_patient_client(self.url, key, 20)

    def _moved(self) -> None:
        self._progress.set()
        self._progress = trio.Event()

    # -- submitting

    async def _submit_all(self, http: httpx.AsyncClient, connection: int) -> None:
        requests = planned_requests(self.plan, connection)
        while self._submitted < self.plan.events or not self.ledger.enablings:
            if self._submitted >= self.plan.events:  # on a slow machine: no webhook has failed often enough by now
                await trio.sleep(_REST_S)
            request = next(requests)
            numbers = [next(self._numbers) for _ in range(request.events)]
            for _ in range(1 + request.doubled):
                await self._submit(http, request, numbers)
            self._submitted += request.events
            self._moved()

    async def _submit(self, http: httpx.AsyncClient, request: PlannedRequest, numbers: Sequence[int]) -> None:
        events = [_event(number) for number in numbers]
        path, body = ("/v1/events", events[0]) if len(events) == 1 else ("/v1/events/batch", events)
        key = {"Idempotency-Key": f"request {numbers[0]}"} if request.keyed else {}
        while True:
            await self.up.wait()
            try:
                answer = await http.post(path, json=body, headers=key)
            except httpx.TransportError:
                if request.keyed:
                    continue
                self.ledger.unsure |= set(numbers)
                return
            if answer.status_code == 202:
                self._note_down(numbers, answer.json())
                return
            assert answer.status_code == 503, answer.text  # nothing of it was kept

    def _note_down(self, numbers: Sequence[int], answer: Any) -> None:
        receipts = answer.get("receipts", [answer])
        for number, receipt in zip(numbers, receipts, strict=True):
            self.ledger.receipts.append(Receipt(receipt["id"], number, receipt["deliveries"]))

    # -- changing

    def _webhook(self, path: str, event_type: str) -> dict[str, Any]:
        return {"teamId": TEAM, "name": path, "url": self.receiver_url + path, "events": [event_type]}

    async def _change_webhooks(self, http: httpx.AsyncClient) -> None:
        chance = random.Random(f"changes {self.plan.seed}")
        next_at = 0
        while True:
            next_at += chance.randrange(5, 25)
            await self.reached(next_at)
            await self.up.wait()
            change = chance.choice((self._enable_disabled, self._enable_disabled, self._change_one))
            try:
                await change(http, chance)
                self.ledger.changes += 1
            except httpx.TransportError:
                continue  # cut off by a kill: whether it was made, nobody knows

    async def _enable_disabled(self, http: httpx.AsyncClient, _chance: random.Random) -> None:
        page = await _call(http, "GET", f"/v1/webhooks?limit=200&teamId={TEAM}")
        for webhook in page["items"]:
            if not webhook["active"] and webhook["disabledReason"] == "consecutive_failures":
                await _call(http, "PATCH", f"/v1/webhooks/{webhook['id']}", {"active": True})
                self.ledger.enablings += 1

    async def _change_one(self, http: httpx.AsyncClient, chance: random.Random) -> None:
        page = await _call(http, "GET", f"/v1/webhooks?limit=200&teamId={TEAM}")
        changeable = [webhook for webhook in page["items"] if webhook["id"] in self.ledger.by_hand]
        changes: tuple[_Change, ...] = (_edit, _edit, _switch, _switch, _resend, _recover, self._replace)
        if changeable:
            await chance.choice(changes)(http, chance.choice(changeable), chance)

    async def _replace(self, http: httpx.AsyncClient, webhook: dict[str, Any], chance: random.Random) -> None:
        """Delete a webhook; make a new one for it."""
        await _call(http, "DELETE", f"/v1/webhooks/{webhook['id']}")
        made = await _call(http, "POST", "/v1/webhooks", self._webhook("/flaky/new", chance.choice(EVENT_TYPES)))
        self.ledger.by_hand.add(made["id"])


_Change = Callable[[httpx.AsyncClient, dict[str, Any], random.Random], Awaitable[None]]


async def _edit(http: httpx.AsyncClient, webhook: dict[str, Any], chance: random.Random) -> None:
    url = f"{webhook['url'].partition('?')[0]}?edited={chance.randrange(1000)}"
    events = chance.sample(EVENT_TYPES, chance.randrange(1, 3))
    await _call(http, "PATCH", f"/v1/webhooks/{webhook['id']}", {"url": url, "events": events})


async def _switch(http: httpx.AsyncClient, webhook: dict[str, Any], _chance: random.Random) -> None:
    await _call(http, "PATCH", f"/v1/webhooks/{webhook['id']}", {"active": not webhook["active"]})


async def _resend(http: httpx.AsyncClient, webhook: dict[str, Any], chance: random.Random) -> None:
    page = await _call(http, "GET", f"/v1/deliveries?limit=50&webhookId={webhook['id']}")
    if page["items"]:
        await _call(http, "POST", f"/v1/deliveries/{chance.choice(page['items'])['id']}/resend")


async def _recover(http: httpx.AsyncClient, webhook: dict[str, Any], _chance: random.Random) -> None:
    await _call(http, "POST", f"/v1/webhooks/{webhook['id']}/recover", {"since": webhook["createdAt"]})


async def _call(http: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    answer = await http.request(method, path, json=body)
    # A webhook can be disabled between the look and the change; a daemon that is killed may refuse first.
    assert answer.is_success or answer.status_code in (404, 409, 503), (method, path, answer.status_code, answer.text)
    return answer.json() if answer.is_success and answer.content else {"items": [], "id": ""}


def _event(number: int) -> dict[str, Any]:
    return {"event": EVENT_TYPES[number % len(EVENT_TYPES)], "teamId": TEAM, "data": {"n": number}}
