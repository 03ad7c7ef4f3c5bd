"""More hanging receivers than the daemon has descriptors for (contract "An attempt")."""

import signal
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.domain.clock import wall_clock_ms
from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import Gate, operated
from tests.support.receivers import open_receiver

LIMIT = 150
HANGING = 170
HANGS_S = 60  # longer than a test: what waits for an attempt's deadline makes it fail
TEAMS = ("acme", "zeta")


def descriptors_of(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def began_ms(line: dict[str, Any]) -> int:
    """Return when the attempt of this line began, or a little later: the line came after its end."""
    return round(datetime.fromisoformat(line["timestamp"]).timestamp() * 1000) - int(line["durationMs"])


@pytest.mark.fault(
    f"{HANGING} receivers hang, and the daemon may open {LIMIT} files",
    "API and other teams go on at once; the attempts beyond wait their turn, and nobody is blamed for the wait",
)
@ends_within(60)
async def test_hanging_receivers_take_neither_the_api_nor_other_teams_their_descriptors(
    new_installation: MakeInstallation,
) -> None:
    installation = replace(new_installation(delivery={"timeout_s": HANGS_S}), descriptors=LIMIT)
    gate = Gate()
    async with open_receiver(gate) as hanging, open_receiver() as healthy, operated(installation) as operator:
        for team in (*TEAMS, "beta"):
            await operator.make_team(team)
        for number in range(HANGING):
            await operator.make_webhook(f"{hanging.url}/{number}", team_id=TEAMS[number % 2])
        same_team = await operator.make_webhook(f"{healthy.url}/acme", team_id="acme")
        await operator.make_webhook(f"{healthy.url}/beta", team_id="beta")
        for team in TEAMS:
            await operator.submit(0, team_id=team)
        [waiting] = await operator.daemon.logged("attempts_waiting")
        for number in range(10):
            await operator.submit(number, team_id="beta")
            await healthy.received(number + 1)
            assert (await operator.http.get("/healthz")).status_code == 200
        assert descriptors_of(operator.daemon.process.pid) < LIMIT - 10
        metrics = (await operator.http.get("/metrics")).text
        assert float(metrics.split("\nkakiyo_webhooks_attempts_waiting ")[1].split()[0]) > 50
        assert not operator.daemon.log_lines("attempt_ended"), "all of that while every hanging attempt hung"
        opened_ms = wall_clock_ms()
        gate.opened.set()
        await operator.daemon.logged("delivery_succeeded", webhookId=same_team["id"])
        ended = await operator.daemon.logged("delivery_succeeded", HANGING + 11)
        assert {line["attempt"] for line in ended} == {1}
        assert sum(began_ms(line) >= opened_ms for line in ended) >= HANGING - waiting["limit"], (
            "the wait was not timed"
        )
        assert len(operator.daemon.log_lines("attempts_waiting")) == 1


@ends_within(60)
async def test_a_stop_does_not_wait_for_attempts_that_wait_their_turn(new_installation: MakeInstallation) -> None:
    delivery = {"timeout_s": HANGS_S, "stop_grace_s": HANGS_S}
    installation, gate = replace(new_installation(delivery=delivery), descriptors=LIMIT), Gate()
    async with open_receiver(gate) as hanging, operated(installation) as operator:
        await operator.make_team()
        for number in range(60):
            await operator.make_webhook(f"{hanging.url}/{number}")
        await operator.submit(0)
        [waiting] = await operator.daemon.logged("attempts_waiting")
        operator.daemon.signal(signal.SIGTERM)
        await operator.daemon.logged("daemon_stopping")
        gate.opened.set()
        assert await operator.daemon.ended() == 0
        assert 0 < len(hanging.requests) <= waiting["limit"], "none that waited was begun"
        assert len(operator.daemon.log_lines("delivery_succeeded")) == len(hanging.requests)
