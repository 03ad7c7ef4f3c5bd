"""A month in the life of a team, lived through in virtual time by a real daemon: what the screenshots show."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import httpx
import trio
import trio.testing

from api.routes.submission import serialise
from daemon.crypto import signing
from daemon.crypto.encryption_keys import ENCRYPTION_KEY, write_keys
from daemon.domain.clock import wall_clock_ms
from daemon.domain.event_types import BUILT_IN, EventType
from daemon.domain.model import Webhook
from daemon.domain.submission import NewEvent, Submission
from daemon.files.private_file import write_private_file
from daemon.maintenance.last_hour import Minute
from daemon.maintenance.state_dir import DATABASE
from tests.support.api_client import DATABASE_FILE
from tests.support.daemon import (
    EPOCH_MS,
    OPERATOR_KEY,
    FakeReceiver,
    RunningDaemon,
    VirtualWallClock,
    make_settings,
    running,
)

ACME, GLOBEX = "team_acme", "team_globex"
DELIVERY = {"retry_delays_s": [5, 60, 900]}
MONTH_S = 30 * 86_400
WAREHOUSE_DOWN_S, ALERTS_DOWN_S = 3 * 3600, 25 * 60
# How much happens in each hour of the day, and how often each type of event. The month ends at three in the afternoon.
BUSY = (2, 1, 1, 1, 1, 2, 3, 5, 8, 10, 9, 7, 6, 11, 16, 14, 9, 6, 4, 3, 3, 2, 2, 1)
WEIGHTS = (8, 5, 4, 3, 1, 1)

Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


@dataclass(frozen=True, slots=True)
class Month:
    """The webhooks that the pictures are of, and the daemon's last hour."""

    healthy: Webhook
    failing: Webhook
    disabled: Webhook
    last_hour: Sequence[Minute]


def live_a_month(state_dir: Path) -> Month:
    """Fill a state directory, whose operator key is OPERATOR_KEY, with a month that ends now."""
    month = trio.run(_live, state_dir, clock=trio.testing.MockClock(autojump_threshold=0))
    (state_dir / DATABASE_FILE).rename(state_dir / DATABASE)
    write_keys(state_dir / ENCRYPTION_KEY, [bytes(32)])
    write_private_file(state_dir / "operator.key", f"{OPERATOR_KEY}\n")
    return month


async def _live(state_dir: Path) -> Month:
    chance, clock, receiver = Random(4), VirtualWallClock(), FakeReceiver()  # nothing is to be secret
    clock.offset_ms = wall_clock_ms() - MONTH_S * 1000 - EPOCH_MS
    end = trio.current_time() + MONTH_S
    async with running(state_dir, receiver, clock, make_settings(state_dir, delivery=DELIVERY)) as daemon:
        month = await _set_up(daemon)
        receiver.answers = {
            month.healthy.url: _answer(chance, end),
            month.failing.url: _answer(chance, end - ALERTS_DOWN_S, failure=0.03),
            month.disabled.url: _answer(chance, end - WAREHOUSE_DOWN_S),
        }
        while (left := end - 40 - trio.current_time()) > 0:
            await trio.sleep(min(left, 3600 / BUSY[int(15 - left / 3600) % 24] * chance.uniform(0.2, 1.8)))
            await _submit(daemon, chance.choices(BUILT_IN, WEIGHTS)[0])
        await trio.sleep(30)
        return replace(month, last_hour=daemon.parts.last_hour.minutes)


async def _set_up(daemon: RunningDaemon) -> Month:
    teams = daemon.parts.teams
    for team_id, name in ((GLOBEX, "Globex"), (ACME, "Acme")):
        await teams.create(team_id, name, ("ops@example.com",))
        await teams.create_key(team_id, "Production")
    await teams.grant_credits(ACME, 50_000, "Plan, November")

    async def webhook(name: str, url: str, *events: str) -> Webhook:
        return await daemon.parts.webhooks.create(ACME, name, url, signing.generate_secret(), events)

    paused = await webhook("Old reports", "https://reports.example.com/in", "linkedin.message.sent")
    await daemon.change(paused, active=False)
    warehouse = await webhook("Data warehouse", "https://ingest.example.com/kakiyo", "*")
    alerts = await webhook("Slack alerts", "https://alerts.example.com/slack", "*")
    some = ("linkedin.message.received", "linkedin.invitation.accepted", "prospect.qualification.manual")
    crm = await webhook("CRM Sync", "https://crm.example.com/hooks/kakiyo", *some)
    return Month(crm, alerts, warehouse, last_hour=())


async def _submit(daemon: RunningDaemon, event_type: EventType) -> None:
    now = daemon.clock()
    body = serialise(event_type.name, ACME, now, event_type.example)
    await daemon.parts.router.submit(Submission((NewEvent(ACME, event_type.name, now, body),)))


def _answer(chance: Random, down_from: float, failure: float = 0) -> Answer:
    """Return a receiver that does well, but for a share of `trouble`, until it is down."""

    async def answer(_request: httpx.Request) -> httpx.Response:
        if trio.current_time() >= down_from:
            await trio.sleep(chance.uniform(1.5, 3))
            return httpx.Response(503, json={"error": "no healthy upstream"}, headers={"Server": "edge"})
        await trio.sleep(chance.uniform(0.03, 0.25))
        if chance.random() < failure:
            return httpx.Response(500, json={"error": "queue is full"})
        return httpx.Response(200, json={"received": True}, headers={"X-Request-Id": f"{chance.getrandbits(48):012x}"})

    return answer
