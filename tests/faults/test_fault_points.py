"""Crash every actor at every await on its way: supervision brings it back, and what was promised still holds.

The points are the list below; tests only have them. Two lives of a daemon share a database: the first one leaves
deliveries and a back-off behind, the second one meets the point, at its start or later.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx
import orjson
import pytest
import trio
from trio.testing import MockClock

from daemon.errors import StoreUnavailable
from daemon.model import LIGHT_BODY_BYTES, Team, Webhook
from daemon.submission import Idempotency, NewEvent, Submission
from tests.faults.checker import violations
from tests.faults.evidence import Receipt, Told
from tests.faults.sabotage import Bug, Point, Saboteur
from tests.faults.wire import Wire, gather_from, until_at_rest
from tests.support.daemon import EPOCH_MS, House, VirtualWallClock, make_settings, running

Result = TypeVar("Result")
DATABASE = "test.db"
MESSAGE_SENT = "linkedin.message.sent"
LARGE_NUMBER = 50
NAMES = ("one", "two", "flaky", "down", "deleted")


def both(seam: str, *on_calls: int) -> list[Point]:
    return [Point(seam, after, on_call) for on_call in on_calls for after in (False, True)]


# Each await on the way of an event, a change and a mail; first calls are often at the start, later ones are not.
POINTS = [
    *both("read webhooks_with_work", 1),
    *both("read webhook_or_deleted", 1),
    *both("read pending_work", 1, 5),
    *both("read event_body", 1),
    *both("read next_mail_at", 1, 2),
    *both("read due_mails", 1),
    *both("commit", 1, 3, 6, 12),
    *both("AcceptEvents", 1, 2),
    *both("RecordAttempt", 1, 7, 15),
    *both("SaveWebhook", 1),
    *both("ReadBalance", 1),
    *both("MailSent", 1),
    *both("reserve credits", 1),
    *both("pause", 1, 2, 9),
    *both("send request", 1, 11),
    *both("close connection", 1),
    *both("send mail", 1),
    *[Point("clock", on_call=on_call) for on_call in (1, 2, 3, 5, 8, 13, 21)],
]


def answer(url: str, number: int) -> int:
    return 500 if "down" in url or ("flaky" in url and number % 2 and number < 3) else 200


async def insist(call: Callable[[], Awaitable[Result]]) -> Result:
    """Do what a client of the API does: repeat what was not answered."""
    while True:
        try:
            return await call()
        except (Bug, StoreUnavailable):
            await trio.sleep(1)


async def submit(house: House, team: Team, *numbers: int) -> list[Receipt]:
    events = tuple(_event(team, number) for number in numbers)
    submission = Submission(events, Idempotency("operator", f"request {numbers[0]}", b"same"))
    receipts = await insist(lambda: house.daemon.router.submit(submission))
    return [
        Receipt(receipt.event_id, number, receipt.deliveries) for number, receipt in zip(numbers, receipts, strict=True)
    ]


def _event(team: Team, number: int) -> NewEvent:
    filler = "x" * LIGHT_BODY_BYTES if number == LARGE_NUMBER else ""
    return NewEvent(team.id, MESSAGE_SENT, EPOCH_MS, orjson.dumps({"data": {"n": number, "filler": filler}}))


async def first_life(state_dir: Path, wire: Wire, clock: VirtualWallClock) -> tuple[Team, list[Webhook], list[Receipt]]:
    """Leave deliveries behind: some that wait, one in a back-off, one cut off in its attempt."""
    settings = make_settings(state_dir, credits={"enforce": True})
    async with running(state_dir, clock=clock, transport=wire.transport, settings=settings) as house:
        team = await house.team()
        await house.grant(team, 10_000)
        webhooks = [await house.webhook(team, f"https://{name}.example/hook") for name in NAMES]
        receipts = await submit(house, team, 0, 1)
        await trio.sleep(wire.takes_s * 1.5)
    wire.life += 1
    return team, webhooks, receipts


@pytest.mark.fault(
    "A crash of the actor, the router, the writer or the notifier, before and after each await on their way",
    "Supervision brings it back; nothing is lost, charged, counted or mailed twice; other webhooks keep their pace",
)
@pytest.mark.parametrize("point", POINTS, ids=str)
async def test_a_crash_at_any_point_is_healed(
    point: Point, tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, clock = Wire(answer=answer), VirtualWallClock()
    team, webhooks, receipts = await first_life(tmp_path, wire, clock)
    saboteur = Saboteur(point, wire.crash)
    saboteur.enter(monkeypatch)
    saboteur.armed = True
    settings = make_settings(tmp_path, credits={"enforce": True}, delivery={"idle_actor_s": 0.2})
    async with running(
        tmp_path, clock=clock, transport=wire.transport, settings=settings, adapt=saboteur.sabotaged
    ) as house:
        receipts += await submit(house, team, 2, 3)
        await insist(lambda: house.change(webhooks[0], name="renamed"))
        await insist(lambda: house.daemon.registry.delete_webhook(webhooks[-1].id))
        receipts += await submit(house, team, LARGE_NUMBER, *range(4, 12))
        with trio.fail_after(900):
            await until_at_rest(house)
            await trio.sleep(1)  # idle actors retire, and close their connections
            await until_at_rest(house)
        assert saboteur.struck
        assert house.daemon.fleet.parked == 0
        healed = house.log_lines("actor_restarted", "mail_crashed")
        assert any(point.seam in line["error"] for line in healed) or point.seam == "clock"
        mails = {mail.id for mail in house.mails}
    told = Told(tuple(wire.arrivals), tuple(receipts), by_hand=frozenset({webhooks[-1].id}), maildir=tuple(mails))
    evidence = gather_from(tmp_path / DATABASE, told)
    assert violations(evidence) == []
    assert len(evidence.events) == len(receipts)
    assert len(evidence.mails) == 1


@pytest.mark.fault(
    "A webhook whose actor crashes at every attempt",
    "It is parked, with its deliveries pending; the other webhooks keep their pace",
)
async def test_a_webhook_that_always_crashes_is_parked_and_holds_up_nobody(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    arrived_at: list[float] = []

    async def receive(request: httpx.Request) -> httpx.Response:
        await trio.sleep(0.01)
        if request.url.host == "crashing":
            raise Bug("at every attempt")
        arrived_at.append(trio.current_time())
        return httpx.Response(200)

    async with running(tmp_path, transport=lambda: httpx.MockTransport(receive)) as house:
        team = await house.team()
        crashing = await house.webhook(team, "https://crashing/hook")
        healthy = [await house.webhook(team, f"https://healthy{number}/hook") for number in range(3)]
        for number in range(20):
            started = trio.current_time()
            await house.submit(team, number)
            await trio.sleep(0.5)
            assert [at - started for at in arrived_at] == pytest.approx([0.01] * 3, abs=0.001)
            arrived_at.clear()
        assert house.daemon.fleet.parked == 1
        assert await house.statuses(crashing) == ["pending"] * 20
        assert [await house.statuses(webhook) for webhook in healthy] == [["succeeded"] * 20] * 3
