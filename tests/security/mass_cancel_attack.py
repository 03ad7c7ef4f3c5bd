"""A team disables or deletes a webhook with a backlog of any size."""

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import trio

from daemon.maintenance.state_dir import DATABASE
from tests.e2e.operating import Gate, Operator, operated
from tests.security.neighbour import WATCHDOG, Seen, watched_neighbour
from tests.support.backlog import fill_backlog
from tests.support.process import make_installation
from tests.support.receivers import open_receiver

Way = Literal["disable", "delete"]
_TEAM = "team_attacker"
# For the neighbour's figures to mean something, however soon all is cancelled.
_SHORTEST_S = 3


@dataclass(slots=True)
class Cancelling:
    """How a neighbour fared; when the attacker was answered, in seconds; what was sent to it; how deliveries ended."""

    seen: Seen = field(default_factory=Seen)
    answered_s: float = 0
    cancelled_s: float = 0
    sent: int = 0
    statuses: dict[str, int] = field(default_factory=dict)


async def cancel_by_mass(directory: Path, count: int, way: Way) -> Cancelling:
    """Run the attack with `count` pending deliveries on a daemon of its own, until all of them are cancelled."""
    result, installation = Cancelling(), make_installation(directory, {"log": {"level": "info"}}, forked=False)
    with closing(installation):
        async with open_receiver(hanging := Gate(500)) as receiver:
            async with operated(installation) as operator:
                await operator.make_team(_TEAM)
                webhook_id = (await operator.make_webhook(receiver.url, team_id=_TEAM))["id"]
            fill_backlog(installation.state_dir, _TEAM, webhook_id, count)
            async with operated(installation, environment=WATCHDOG) as operator:
                await receiver.received(1)
                async with watched_neighbour(operator.daemon) as watch:
                    await _attack(operator, webhook_id, way, result)
                hanging.opened.set()  # nobody needs to wait for the attempt's deadline
            result.seen, result.sent = watch.seen, len(receiver.requests)
        result.statuses = _statuses(installation.state_dir / DATABASE, webhook_id)
    return result


async def _attack(operator: Operator, webhook_id: str, way: Way, result: Cancelling) -> None:
    started = trio.current_time()
    if way == "disable":
        await operator.call("PATCH", f"/v1/webhooks/{webhook_id}", {"active": False})
    else:
        await operator.call("DELETE", f"/v1/webhooks/{webhook_id}", expect=204)
    result.answered_s = trio.current_time() - started
    while not operator.daemon.log_lines("deliveries_cancelled"):
        with suppress(trio.TooSlowError):  # it waits for 20 s, which is not enough for millions
            await operator.daemon.logged("deliveries_cancelled")
    result.cancelled_s = trio.current_time() - started
    await trio.sleep(max(0, started + _SHORTEST_S - trio.current_time()))


def _statuses(path: Path, webhook_id: str) -> dict[str, int]:
    query = "SELECT status, count(*) FROM deliveries WHERE webhook_id = ? GROUP BY status"
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute(query, (webhook_id,)).fetchall())
