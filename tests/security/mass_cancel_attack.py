"""A tenant disables or deletes a webhook with a backlog of any size, while a neighbour submits and is delivered to."""

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import trio

from daemon.state_dir import DATABASE
from tests.e2e.operating import Operator, make_event, operated
from tests.support.backlog import fill_backlog
from tests.support.process import make_house
from tests.support.receivers import Exchange, Receiver, open_receiver, respond

Way = Literal["disable", "delete"]
ATTACKER, NEIGHBOUR = "attacker", "neighbour"
_WATCHDOG_S = 2
_EACH_S = 0.02
# For the neighbour's figures to mean something, however soon all is cancelled.
_SHORTEST_S = 4


@dataclass(slots=True)
class Suffering:
    """What the neighbour and the service manager saw: times in seconds, memory in bytes."""

    answered_s: float = 0
    cancelled_s: float = 0
    submitted_s: list[float] = field(default_factory=list)
    delivered_s: list[float] = field(default_factory=list)
    memory: int = 0
    beats: list[float] = field(default_factory=list)
    neighbour_active: bool = False
    sent_to_attacker: int = 0
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def submitted_p99_s(self) -> float:
        """How long all but the slowest hundredth of the neighbour's submissions took at most."""
        return sorted(self.submitted_s)[int(len(self.submitted_s) * 0.99)]

    @property
    def longest_without_beat_s(self) -> float:
        """How long the watchdog was not fed at the most."""
        return max(after - before for before, after in zip(self.beats, self.beats[1:], strict=False))


def check(seen: Suffering, count: int) -> None:
    """Assert that nobody but the attacker felt it, and that none of the backlog was sent or forgotten."""
    assert seen.answered_s < 1
    assert seen.submitted_p99_s < 0.25
    assert max(seen.delivered_s) < 1
    assert seen.longest_without_beat_s < _WATCHDOG_S
    assert seen.memory < 200_000_000
    assert seen.neighbour_active
    assert seen.sent_to_attacker == 1
    assert seen.statuses == {"cancelled": count}


async def cancel_by_mass(directory: Path, count: int, way: Way) -> Suffering:
    """Run the attack with `count` pending deliveries on a daemon of its own, until all of them are cancelled."""
    seen, house = Suffering(), make_house(directory, {"log": {"level": "info"}})
    watched = {"WATCHDOG_USEC": str(_WATCHDOG_S * 1_000_000)}
    with closing(house):
        async with open_receiver(respond(200)) as neighbour, open_receiver(_hang) as attacker:
            async with operated(house) as operator:
                webhooks = await _register(operator, attacker.url, neighbour.url)
            fill_backlog(house.state_dir, ATTACKER, webhooks[0], count)
            async with operated(house, environment=watched) as operator, trio.open_nursery() as nursery:
                nursery.start_soon(_note_beats, operator, seen)
                nursery.start_soon(_live_next_door, operator, neighbour, seen)
                await attacker.received(1)
                await _attack(operator, webhooks[0], way, seen)
                seen.neighbour_active = (await operator.call("GET", f"/v1/webhooks/{webhooks[1]}"))["active"]
                seen.memory = _peak_memory(operator.daemon.process.pid)
                nursery.cancel_scope.cancel()
            seen.sent_to_attacker = len(attacker.requests)
        seen.statuses = _statuses(house.state_dir / DATABASE, webhooks[0])
    return seen


async def _register(operator: Operator, *urls: str) -> list[str]:
    for team_id in (ATTACKER, NEIGHBOUR):
        await operator.make_team(team_id)
    made = [
        await operator.make_webhook(url, team_id=team) for url, team in zip(urls, (ATTACKER, NEIGHBOUR), strict=True)
    ]
    return [webhook["id"] for webhook in made]


async def _attack(operator: Operator, webhook_id: str, way: Way, seen: Suffering) -> None:
    started = trio.current_time()
    if way == "disable":
        await operator.call("PATCH", f"/v1/webhooks/{webhook_id}", {"active": False})
    else:
        await operator.call("DELETE", f"/v1/webhooks/{webhook_id}", expect=204)
    seen.answered_s = trio.current_time() - started
    while not operator.daemon.log_lines("deliveries_cancelled"):
        with suppress(trio.TooSlowError):  # it waits for 20 s, which is not enough for millions
            await operator.daemon.logged("deliveries_cancelled")
    seen.cancelled_s = trio.current_time() - started
    await trio.sleep(max(0, started + _SHORTEST_S - trio.current_time()))


async def _live_next_door(operator: Operator, receiver: Receiver, seen: Suffering) -> None:
    for number in range(1, 1_000_000):
        started = trio.current_time()
        await operator.call("POST", "/v1/events", make_event(number, NEIGHBOUR), expect=202)
        seen.submitted_s.append(trio.current_time() - started)
        await receiver.received(number)
        seen.delivered_s.append(trio.current_time() - started)
        await trio.sleep(_EACH_S)


async def _note_beats(operator: Operator, seen: Suffering) -> None:
    while True:
        await operator.daemon.noticed("WATCHDOG=1", len(seen.beats) + 1)
        seen.beats.append(trio.current_time())


async def _hang(_exchange: Exchange) -> None:
    await trio.sleep_forever()


def _peak_memory(pid: int) -> int:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _statuses(path: Path, webhook_id: str) -> dict[str, int]:
    query = "SELECT status, count(*) FROM deliveries WHERE webhook_id = ? GROUP BY status"
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute(query, (webhook_id,)).fetchall())
