"""One team submits what makes very many deliveries (contract "Budgets of a team")."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.bench.processes import server
from tests.security.neighbour import WATCHDOG, Seen, watched_neighbour
from tests.support.patient_client import make_patient_client
from tests.support.process import daemon_process, make_installation

_EVENT = "linkedin.message.sent"
_TEAM = "team_attacker"
_PAUSE_AFTER_REFUSAL_S = 0.5


@dataclass(frozen=True, slots=True)
class FanOut:
    """`submitters` submit batches of `events` to a team's `webhooks`, again and again, for `seconds`."""

    webhooks: int
    events: int
    seconds: float
    submitters: int = 2


@dataclass(slots=True)
class FannedOut:
    """How a neighbour fared, and how the attacker was answered, by status."""

    seen: Seen = field(default_factory=Seen)
    statuses: Counter[int] = field(default_factory=Counter)


async def attack_with_fan_out(directory: Path, plan: FanOut) -> FannedOut:
    """Run the attack on a daemon of its own in `directory`."""
    result, installation = FannedOut(), make_installation(directory, {"log": {"level": "info"}}, forked=False)
    async with (
        server("stamping_receiver") as receiver,  # quick: it is the daemon that is to be busy
        daemon_process(installation, environment=WATCHDOG) as daemon,
        make_patient_client(installation.url, installation.read_key(), 60) as http,
    ):
        await _register(http, plan.webhooks, receiver.url)
        async with watched_neighbour(daemon) as watch:
            with trio.move_on_after(plan.seconds):
                async with trio.open_nursery() as nursery:
                    for _ in range(plan.submitters):
                        nursery.start_soon(_submit, http, plan.events, result.statuses)
        result.seen = watch.seen
        await daemon.kill()  # what is left would take long to be delivered
    installation.close()
    return result


async def _register(http: httpx.AsyncClient, webhooks: int, url: str) -> None:
    team = {"id": _TEAM, "name": "Attacker", "maxWebhooks": webhooks}
    (await http.post("/v1/teams", json=team)).raise_for_status()
    for number in range(webhooks):
        webhook: dict[str, Any] = {"teamId": _TEAM, "name": "w", "url": f"{url}/healthy/{number}", "events": ["*"]}
        (await http.post("/v1/webhooks", json=webhook)).raise_for_status()


async def _submit(http: httpx.AsyncClient, events: int, statuses: Counter[int]) -> None:
    batch = [{"event": _EVENT, "teamId": _TEAM, "data": {"n": n}} for n in range(events)]
    while True:
        answer = await http.post("/v1/events/batch", json=batch)
        statuses[answer.status_code] += 1
        await trio.sleep(0 if answer.status_code == 202 else _PAUSE_AFTER_REFUSAL_S)
