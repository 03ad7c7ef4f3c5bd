"""More submissions than a daemon takes, from many connections at once, while others watch its health and its memory."""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.faults.evidence import Evidence, Receipt
from tests.faults.kill_driver import Ledger
from tests.faults.kill_plan import EVENT_TYPES, TEAM
from tests.faults.kill_run import evidence_of, receiver_process, until_at_rest
from tests.support.patient_client import make_patient_client
from tests.support.process import DaemonProcess, Installation, Sections, daemon_process, make_installation

WEBHOOKS = len(EVENT_TYPES)
_HEALTH_CHECKS_EACH_S = 0.05


@dataclass(frozen=True, slots=True)
class OverloadPlan:
    """`connections` submit batches of `batch` events for `seconds`, to a daemon that lets `max_waiting` wait."""

    seconds: float
    connections: int = 24
    batch: int = 10
    max_waiting: int = 40


@dataclass(slots=True)
class OverloadRun:
    """What came of it: times in seconds, memory in bytes, in the order in which they were taken."""

    accepted_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    health_s: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    without_retry_after: int = 0
    evidence: Evidence | None = None


def percentile(values: list[float], share: float) -> float:
    """Return the value below which this share of the values lies."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


async def run_overload(directory: Path, plan: OverloadPlan) -> OverloadRun:
    """Overload a daemon in `directory`, let it finish, and return what was seen."""
    sections: Sections = {"api": {"max_waiting_events": plan.max_waiting}, "log": {"level": "info"}}
    installation, log = make_installation(directory, sections, forked=False), directory / "receiver.log"
    run, ledger = OverloadRun(), Ledger()
    try:
        async with (
            receiver_process(log, 0) as url,
            daemon_process(installation) as daemon,
            _client(installation) as http,
        ):
            await _register(http, url)
            await _overload(http, plan, run, ledger, daemon)
            await until_at_rest(daemon)
        run.evidence = evidence_of(installation, ledger, log)
    finally:
        installation.close()
    return run


def _client(installation: Installation) -> httpx.AsyncClient:
    return make_patient_client(installation.url, installation.read_key(), 30)


async def _register(http: httpx.AsyncClient, url: str) -> None:
    (await http.post("/v1/teams", json={"id": TEAM, "name": "Acme", "notificationEmails": []})).raise_for_status()
    for number, event_type in enumerate(EVENT_TYPES):
        webhook = {"teamId": TEAM, "name": event_type, "url": f"{url}/healthy/{number}", "events": [event_type]}
        (await http.post("/v1/webhooks", json=webhook)).raise_for_status()


async def _overload(
    http: httpx.AsyncClient, plan: OverloadPlan, run: OverloadRun, ledger: Ledger, daemon: DaemonProcess
) -> None:
    ends_at, numbers = trio.current_time() + plan.seconds, count()
    async with trio.open_nursery() as watching:
        watching.start_soon(_watch, http, run, daemon.process.pid)
        async with trio.open_nursery() as submitting:
            for _ in range(plan.connections):
                submitting.start_soon(_submit_until, ends_at, http, plan, run, ledger, numbers)
        watching.cancel_scope.cancel()


async def _submit_until(
    ends_at: float, http: httpx.AsyncClient, plan: OverloadPlan, run: OverloadRun, ledger: Ledger, numbers: "count[int]"
) -> None:
    while (started := trio.current_time()) < ends_at:
        batch = [next(numbers) for _ in range(plan.batch)]
        answer = await http.post("/v1/events/batch", json=[_event(number) for number in batch])
        took_s = trio.current_time() - started
        if answer.status_code == 202:
            run.accepted_s.append(took_s)
            receipts = zip(batch, answer.json()["receipts"], strict=True)
            ledger.receipts += [Receipt(receipt["id"], number, receipt["deliveries"]) for number, receipt in receipts]
        else:
            assert answer.status_code == 503, answer.text
            run.refused_s.append(took_s)
            run.without_retry_after += "Retry-After" not in answer.headers


async def _watch(http: httpx.AsyncClient, run: OverloadRun, pid: int) -> None:
    while True:
        started = trio.current_time()
        assert (await http.get("/healthz")).status_code == 200
        run.health_s.append(trio.current_time() - started)
        run.memory.append(_resident_bytes(pid))
        await trio.sleep(_HEALTH_CHECKS_EACH_S)


def _resident_bytes(pid: int) -> int:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def _event(number: int) -> dict[str, Any]:
    return {"event": EVENT_TYPES[number % WEBHOOKS], "teamId": TEAM, "data": {"n": number, "text": "x" * 500}}
