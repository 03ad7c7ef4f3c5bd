"""One team submits what makes very many deliveries, while a neighbour submits and is delivered to as ever."""

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.faults.kill_run import receiver_process
from tests.support.process import DaemonProcess, daemon_process, make_house
from tests.support.receivers import Receiver, open_receiver, respond

_EVENT = "linkedin.message.sent"
_NEIGHBOUR_EVERY_S = 0.1
_WATCHDOG_S = 3


@dataclass(frozen=True, slots=True)
class AttackPlan:
    """`submitters` submit batches of `events` to a team's `webhooks` for `seconds`, after `quiet_s` without them."""

    webhooks: int
    events: int
    seconds: float
    submitters: int = 2
    quiet_s: float = 0
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class AttackRun:
    """What came of it: times in seconds, memory in bytes; `statuses` are the answers to the attack.

    `quiet_s` are the neighbour's submissions in the time before the attack.
    """

    quiet_s: list[float] = field(default_factory=list)

    submissions_s: list[float] = field(default_factory=list)
    deliveries_s: list[float] = field(default_factory=list)
    health_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    largest_memory: int = 0
    signs_of_life: int = 0
    neighbour: dict[str, Any] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return the figures for a person: milliseconds and MB."""
        return {
            "submissions": len(self.submissions_s),
            "submission p99 ms": round(percentile(self.submissions_s, 0.99) * 1000),
            "delivery p99 ms": round(percentile(self.deliveries_s, 0.99) * 1000),
            "delivery max ms": round(max(self.deliveries_s) * 1000),
            "health max ms": round(max(self.health_s) * 1000),
            "memory MB": self.largest_memory // 1_000_000,
            "signs of life": self.signs_of_life,
            "attack": self.statuses,
        }


def percentile(values: list[float], share: float) -> float:
    """Return the value below which this share of the values lies."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


async def attack(directory: Path, plan: AttackPlan) -> AttackRun:
    """Attack a daemon in `directory`; return what its neighbour, its service manager and its health check saw."""
    house, run = make_house(directory, {"log": {"level": "info"}, **plan.settings}), AttackRun()
    watchdog = {"WATCHDOG_USEC": str(_WATCHDOG_S * 1_000_000)}
    try:
        async with (
            receiver_process(directory / "receiver.log", 0) as url,
            open_receiver(respond(200)) as neighbours,
            daemon_process(house, environment=watchdog) as daemon,
            httpx.AsyncClient(
                base_url=house.url, headers={"Authorization": f"Bearer {house.read_key()}"}, timeout=60
            ) as http,
        ):
            webhook_id = await _register(http, plan, url, neighbours.url)
            if plan.quiet_s:
                quiet = AttackRun()
                await _run(http, replace(plan, submitters=0, seconds=plan.quiet_s), quiet, daemon, neighbours)
                run.quiet_s = quiet.submissions_s
            await _run(http, plan, run, daemon, neighbours)
            run.neighbour = (await http.get(f"/v1/webhooks/{webhook_id}")).json()
            await daemon.kill()  # what is left would take long to be delivered
    finally:
        house.close()
    return run


async def _register(http: httpx.AsyncClient, plan: AttackPlan, url: str, neighbours_url: str) -> str:
    for team in ({"id": "attacker", "name": "A", "maxWebhooks": plan.webhooks}, {"id": "neighbour", "name": "N"}):
        (await http.post("/v1/teams", json=team)).raise_for_status()
    for number in range(plan.webhooks):
        await _webhook(http, "attacker", f"{url}/healthy/{number}")
    return await _webhook(http, "neighbour", neighbours_url)


async def _webhook(http: httpx.AsyncClient, team: str, url: str) -> str:
    body = {"teamId": team, "name": "w", "url": url, "events": ["*"]}
    return str((await http.post("/v1/webhooks", json=body)).raise_for_status().json()["id"])


async def _run(
    http: httpx.AsyncClient, plan: AttackPlan, run: AttackRun, daemon: DaemonProcess, neighbours: Receiver
) -> None:
    before = daemon.notices.count("WATCHDOG=1")
    with trio.move_on_after(plan.seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, http, run, daemon.process.pid)
            nursery.start_soon(_live_next_door, http, run, neighbours)
            for _ in range(plan.submitters):
                nursery.start_soon(_submit, http, plan, run)
    run.signs_of_life = daemon.notices.count("WATCHDOG=1") - before


async def _submit(http: httpx.AsyncClient, plan: AttackPlan, run: AttackRun) -> None:
    batch = [{"event": _EVENT, "teamId": "attacker", "data": {"n": n}} for n in range(plan.events)]
    while True:
        answer = await http.post("/v1/events/batch", json=batch)
        run.statuses[answer.status_code] = run.statuses.get(answer.status_code, 0) + 1
        await trio.sleep(0 if answer.status_code == 202 else 0.5)


async def _live_next_door(http: httpx.AsyncClient, run: AttackRun, neighbours: Receiver) -> None:
    """Submit an event, and wait for its delivery, again and again."""
    while True:
        before, started = len(neighbours.requests), trio.current_time()
        body = {"event": _EVENT, "teamId": "neighbour", "data": {}}
        (await http.post("/v1/events", json=body)).raise_for_status()
        accepted = trio.current_time()
        run.submissions_s.append(accepted - started)
        while len(neighbours.requests) == before:
            with suppress(trio.TooSlowError):  # that it took too long is for those to say who judge the figures
                await neighbours.received(before + 1)
        run.deliveries_s.append(trio.current_time() - started)
        await trio.sleep(_NEIGHBOUR_EVERY_S)


async def _watch(http: httpx.AsyncClient, run: AttackRun, pid: int) -> None:
    while True:
        started = trio.current_time()
        assert (await http.get("/healthz")).status_code == 200
        run.health_s.append(trio.current_time() - started)
        run.largest_memory = max(run.largest_memory, resident_bytes(pid))
        await trio.sleep(_NEIGHBOUR_EVERY_S)


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has just now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
