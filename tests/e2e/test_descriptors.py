"""More hanging receivers than the daemon has descriptors for (contract "An attempt")."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.support.receivers import hang, open_receiver

LIMIT = 150
HANGING = 170
TIMEOUT_S = 1
TEAMS = ("acme", "zeta")


def descriptors_of(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


@pytest.mark.fault(
    f"{HANGING} receivers hang, and the daemon may open {LIMIT} files",
    "API and other teams go on at once; the attempts beyond wait their turn, and nobody is blamed for the wait",
)
@ends_within(60)
async def test_hanging_receivers_take_neither_the_api_nor_other_teams_their_descriptors(
    new_installation: MakeInstallation,
) -> None:
    installation = replace(
        new_installation(delivery={"timeout_s": TIMEOUT_S, "retry_delays_s": [60]}), descriptors=LIMIT
    )
    async with open_receiver(hang()) as hanging, open_receiver() as healthy, operated(installation) as operator:
        for team in (*TEAMS, "beta"):
            await operator.make_team(team)
        for number in range(HANGING):
            await operator.make_webhook(f"{hanging.url}/{number}", team_id=TEAMS[number % 2])
        same_team = await operator.make_webhook(f"{healthy.url}/acme", team_id="acme")
        other_team = await operator.make_webhook(f"{healthy.url}/beta", team_id="beta")
        for team in TEAMS:
            await operator.submit(0, team_id=team)
        await operator.daemon.logged("attempts_waiting")
        for number in range(10):
            started = time.monotonic()
            await operator.submit(number, team_id="beta")
            await healthy.received(number + 1)
            assert time.monotonic() - started < 1
            assert (await operator.http.get("/healthz")).status_code == 200
        assert descriptors_of(operator.daemon.process.pid) < LIMIT - 10
        metrics = (await operator.http.get("/metrics")).text
        assert float(metrics.split("\nkakiyo_webhooks_attempts_waiting ")[1].split()[0]) > 50
        with trio.fail_after(30):
            await operator.daemon.logged("delivery_succeeded", webhookId=same_team["id"])
            timeouts = await operator.daemon.logged("attempt_ended", HANGING)
        assert {(line["outcome"], line["attempt"]) for line in timeouts} == {("timeout", 1)}
        assert max(line["durationMs"] for line in timeouts) < TIMEOUT_S * 1000 + 500
        for webhook in (same_team, other_team):
            found = await operator.call("GET", f"/v1/webhooks/{webhook['id']}")
            assert (found["active"], found["consecutiveFailures"]) == (True, 0)
        assert len(operator.daemon.log_lines("attempts_waiting")) == 1


@ends_within(30)
async def test_a_stop_does_not_wait_for_attempts_that_wait_their_turn(new_installation: MakeInstallation) -> None:
    installation = replace(new_installation(delivery={"timeout_s": 5, "stop_grace_s": 1}), descriptors=LIMIT)
    async with open_receiver(hang()) as hanging, operated(installation) as operator:
        await operator.make_team()
        for number in range(60):
            await operator.make_webhook(f"{hanging.url}/{number}")
        await operator.submit(0)
        await operator.daemon.logged("attempts_waiting")
        started = time.monotonic()
        operator.daemon.process.terminate()
        assert await operator.daemon.ended() == 0
        assert time.monotonic() - started < 4
        assert {line["outcome"] for line in operator.daemon.log_lines("attempt_ended")} <= {"interrupted"}
