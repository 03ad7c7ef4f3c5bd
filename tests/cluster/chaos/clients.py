"""Clients that submit to every node, whatever happens to it, and note what they were told and when."""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import trio

from tests.cluster.chaos.evidence import Submitted
from tests.cluster.chaos.plan import Plan, PlannedSubmission, planned_submissions
from tests.support.patient_client import make_patient_client

_TIMEOUT_S = 3.0
_RETRY_S = (0.05, 0.25)


@dataclass(slots=True)
class Ledger:
    """What clients know. `answers` counts what they got: status codes, no answer, or not even a connection."""

    submitted: dict[int, Submitted] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    repeated: int = 0

    @property
    def acknowledged(self) -> int:
        return sum(one.acknowledged_at is not None for one in self.submitted.values())


@dataclass(slots=True)
class Clients:
    """Submitters with a rate of `plan.rate` together. `urls()` are the nodes that a client would know now."""

    plan: Plan
    key: str
    urls: Callable[[], Sequence[str]]
    ledger: Ledger = field(default_factory=Ledger)
    stopping: bool = False
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _http: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def run(self) -> None:
        """Submit until `stop()`, and then until everything with a key is acknowledged."""
        async with trio.open_nursery() as nursery:
            for submitter in range(self.plan.submitters):
                nursery.start_soon(self._submit_at_a_rate, submitter)

    async def close(self) -> None:
        """Close every connection."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
            for http in self._http.values():
                await http.aclose()

    def stop(self) -> None:
        """Begin nothing new."""
        self.stopping = True

    async def _submit_at_a_rate(self, submitter: int) -> None:
        chance = random.Random(f"submitter {self.plan.seed} {submitter}")
        submissions = planned_submissions(self.plan, submitter)
        pause_s = self.plan.submitters / self.plan.rate
        due = trio.current_time() + chance.uniform(0, pause_s)
        while True:
            await trio.sleep_until(due)
            if self.stopping:
                return
            await _Submission(self, next(submissions), chance).make()
            due = max(due + pause_s, trio.current_time())

    async def submit_everywhere(self, team: str, type_: str) -> None:
        """Submit an event of this type to every node at once."""
        planned, chance = PlannedSubmission(team, [type_], keyed=True, doubled=False), random.Random(type_)
        async with trio.open_nursery() as nursery:
            for url in self.urls():
                nursery.start_soon(_Submission(self, planned, chance, first_to=url).make)

    async def submit(self, team: str, type_: str) -> Submitted:
        """Submit an event of this type to any node, until it is accepted; return what is known of it then."""
        planned = PlannedSubmission(team, [type_], keyed=True, doubled=False)
        return (await _Submission(self, planned, random.Random(type_)).make())[0]

    def begin(self, planned: PlannedSubmission, now: float) -> list[Submitted]:
        """Note that these events are about to be submitted."""
        numbers = [next(self._numbers) for _ in planned.types]
        begun = [
            Submitted(number, numbers[0], planned.team, type_, now)
            for number, type_ in zip(numbers, planned.types, strict=True)
        ]
        self.ledger.submitted.update({one.number: one for one in begun})
        return begun

    async def post(self, url: str, path: str, body: Any, headers: dict[str, str]) -> httpx.Response | None:
        """Post to a node; return its answer, None if there is none."""
        try:
            answer = await self.http(url).post(path, json=body, headers=headers)
        except httpx.ConnectError:
            self.ledger.answers["refused"] += 1
            return httpx.Response(503)  # as good as: nothing of it was sent
        except httpx.TransportError:
            self.ledger.answers["none"] += 1
            return None
        self.ledger.answers[str(answer.status_code)] += 1
        return answer

    def http(self, url: str) -> httpx.AsyncClient:
        """Return the client for a node."""
        if url not in self._http:
            self._http[url] = make_patient_client(url, self.key, _TIMEOUT_S)
        return self._http[url]


@dataclass(slots=True)
class _Submission:
    """One submission, until it is answered or given up; at first to node `first_to`, or to any."""

    clients: Clients
    planned: PlannedSubmission
    chance: random.Random
    first_to: str | None = None

    async def make(self) -> Sequence[Submitted]:
        events = self.clients.begin(self.planned, trio.current_time())
        receipts = await self._until_answered(events)
        if receipts is None:
            return events
        now, ledger = trio.current_time(), self.clients.ledger
        for event, receipt in zip(events, receipts, strict=True):
            ledger.submitted[event.number] = replace(
                event, acknowledged_at=now, event_id=receipt["id"], deliveries=receipt["deliveries"]
            )
        if self.planned.doubled and await self._until_answered(events) != receipts:
            ledger.complaints.append(f"event {events[0].number} got another receipt when it was submitted again")
        return [ledger.submitted[event.number] for event in events]

    async def _until_answered(self, events: Sequence[Submitted]) -> list[dict[str, Any]] | None:
        """Return the receipts; None when the answer was lost and nothing says whether it was accepted."""
        while True:
            answer = await self._post(events)
            if answer is not None and answer.status_code == 202:
                body = answer.json()
                return list(body.get("receipts", [body]))
            if answer is None and not self.planned.keyed:
                return None
            if answer is not None and answer.status_code != 503:  # 503: nothing of it was kept
                self.clients.ledger.complaints.append(f"a submission got {answer.status_code}: {answer.text[:200]}")
                return None
            self.clients.ledger.repeated += 1
            await trio.sleep(self.chance.uniform(*_RETRY_S))

    async def _post(self, events: Sequence[Submitted]) -> httpx.Response | None:
        bodies = [_body(event) for event in events]
        path, body = ("/v1/events", bodies[0]) if len(bodies) == 1 else ("/v1/events/batch", bodies)
        headers = {"Idempotency-Key": f"submission {events[0].number}"} if self.planned.keyed else {}
        url, self.first_to = self.first_to or self.chance.choice(self.clients.urls()), None
        return await self.clients.post(url, path, body, headers)


def _body(event: Submitted) -> dict[str, Any]:
    return {"event": event.type, "teamId": event.team, "data": {"n": event.number}}
