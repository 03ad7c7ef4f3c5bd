"""Crash every actor at every await: supervision restarts it, and every promise still holds.

The points are the lists below; tests only have them. Lives of a daemon share a database: the first one leaves
deliveries and a back-off behind, the second one meets the point, at its start or later. A crash of the store ends it:
then there is a third.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import httpx
import orjson
import pytest
import trio
from trio.testing import MockClock

from daemon.app import EXIT_FAILED
from daemon.delivery import fan_out, matcher
from daemon.domain.errors import StoreUnavailable
from daemon.domain.model import MAX_INLINE_BODY_BYTES, Team, Webhook
from daemon.domain.submission import Idempotency, NewEvent, Submission
from daemon.store.reads import time_blocks
from daemon.store.writes import cancelling
from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.faults.checker import violations
from tests.faults.evidence import Arrival, Receipt, Told
from tests.faults.sabotage import Bug, Point, Saboteur, gives_up
from tests.faults.wire import Wire, gather_from, until_at_rest
from tests.support.daemon import EPOCH_MS, RunningDaemon, VirtualWallClock, make_settings, running
from tests.support.mock_transport import MockTransport
from tests.support.process import make_installation

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
    *both("read webhook_and_work", 1, 5),
    *both("read pending_work_one_by_one", 1),
    *both("read event_body", 1),
    *both("read next_mail_at", 1, 2),
    *both("read due_mails", 1),
    *both("AcceptEvents", 1, 2),
    *both("MakeDeliveries", 1, 2, 5, 6),
    *both("RecordAttempt", 1, 7, 15),
    *both("SaveWebhook", 1),
    *both("CancelNext", 1, 2, 3),
    *both("read next_time_block", 1, 3),
    *both("KeepTimeBlock", 1, 2),
    *both("ReadBalance", 1),
    *both("MailSent", 1),
    *both("reserve credits", 1),
    *both("pause", 1, 2, 9),
    *both("send request", 1, 11),
    *both("send mail", 1),
    *[Point("clock", on_call=on_call) for on_call in (1, 2, 3, 5, 8, 13, 21)],
]

# In the writer: around the commit, and around what follows from it in the daemon's memory.
STORE_POINTS = [*both("commit", 1, 3, 6, 12), *both("then", 1, 2, 3, 4, 5)]


def work_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have few deliveries make many pages, blocks and pieces: the last submission is one that is fanned out."""
    monkeypatch.setattr(matcher, "_MOST_AT_ONCE", 12)
    monkeypatch.setattr(fan_out, "_DELIVERIES_AT_ONCE", 7)
    monkeypatch.setattr(cancelling, "MAX_CANCELLED_PER_COMMIT", 2)
    monkeypatch.setattr(time_blocks, "ROWS_PER_BLOCK", 3)


def answer(url: str, number: int) -> int:
    return 500 if "down" in url or ("flaky" in url and number % 2 and number < 3) else 200


async def insist(call: Callable[[], Awaitable[Result]]) -> Result:
    """Do what a client of the API does: repeat what was not answered."""
    while True:
        try:
            return await call()
        except (Bug, StoreUnavailable):
            await trio.sleep(1)


async def submit(daemon: RunningDaemon, team: Team, *numbers: int) -> list[Receipt]:
    events = tuple(_event(team, number) for number in numbers)
    submission = Submission(events, Idempotency("operator", f"request {numbers[0]}", b"same"))
    receipts = await insist(lambda: daemon.parts.router.submit(submission))
    return [
        Receipt(receipt.event_id, number, receipt.deliveries) for number, receipt in zip(numbers, receipts, strict=True)
    ]


def _event(team: Team, number: int) -> NewEvent:
    filler = "x" * MAX_INLINE_BODY_BYTES if number == LARGE_NUMBER else ""
    return NewEvent(team.id, MESSAGE_SENT, EPOCH_MS, orjson.dumps({"data": {"n": number, "filler": filler}}))


@dataclass(frozen=True, slots=True)
class FirstLife:
    """What a daemon left behind that ran for `lasted_s`: its files, and what others know of it."""

    files: Mapping[str, bytes]
    team: Team
    webhooks: Sequence[Webhook]
    receipts: Sequence[Receipt]
    arrivals: Sequence[Arrival]
    lasted_s: float

    def bring_back(self, state_dir: Path, wire: Wire, clock: VirtualWallClock) -> None:
        """Set the clocks of the second life as if the first had just ended."""
        for name, content in self.files.items():
            (state_dir / name).write_bytes(content)
        wire.arrivals.extend(self.arrivals)
        wire.life = 1
        clock.offset_ms += round(self.lasted_s * 1000)


@pytest.fixture(scope="module")
def first_life(tmp_path_factory: pytest.TempPathFactory) -> FirstLife:
    """Leave deliveries behind: some that wait, one in a back-off, one cut off in its attempt."""
    with pytest.MonkeyPatch.context() as patch:
        work_in_small_pieces(patch)
        return trio.run(live, tmp_path_factory.mktemp("first"), clock=MockClock(autojump_threshold=0))


async def live(state_dir: Path) -> FirstLife:
    settings, wire, began = (
        make_settings(state_dir, credits={"enforce": True}),
        Wire(answer=answer),
        trio.current_time(),
    )
    async with running(state_dir, transport=wire.transport, settings=settings) as daemon:
        team = await daemon.team()
        await daemon.grant(team, 10_000)
        webhooks = [await daemon.webhook(team, f"https://{name}.example/hook") for name in NAMES]
        receipts = await submit(daemon, team, 0, 1)
        await trio.sleep(wire.takes_s * 1.5)
    return FirstLife(files_of(state_dir), team, webhooks, receipts, wire.arrivals, trio.current_time() - began)


def files_of(directory: Path) -> Mapping[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


@pytest.mark.fault(
    "A crash of the actor, the router or the notifier, before and after each await on their way",
    "Supervision brings it back; nothing is lost, charged, counted or mailed twice; other webhooks keep their pace",
)
@pytest.mark.parametrize("point", POINTS, ids=str)
async def test_a_crash_at_any_point_is_healed(
    point: Point, tmp_path: Path, first_life: FirstLife, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_in_small_pieces(monkeypatch)
    wire, clock = Wire(answer=answer), VirtualWallClock()
    first_life.bring_back(tmp_path, wire, clock)
    team, webhooks, receipts = first_life.team, first_life.webhooks, list(first_life.receipts)
    saboteur = Saboteur(point, wire.crash)
    saboteur.enter(monkeypatch)
    saboteur.armed = True
    settings = make_settings(tmp_path, credits={"enforce": True}, delivery={"idle_actor_s": 0.2})
    async with running(
        tmp_path, clock=clock, transport=wire.transport, settings=settings, adapt=saboteur.sabotaged
    ) as daemon:
        receipts += await go_on(daemon, team, webhooks)
        await come_to_rest(daemon)
        assert saboteur.struck
        assert daemon.parts.fleet.parked == 0
        healed = daemon.log_lines("actor_restarted", "mail_crashed")
        assert any(point.seam in line["error"] for line in healed) or point.seam == "clock"
        mails = {mail.id for mail in daemon.mails}
    told = Told(tuple(wire.arrivals), tuple(receipts), by_hand=frozenset({webhooks[-1].id}), maildir=tuple(mails))
    check(tmp_path, told)


async def go_on(daemon: RunningDaemon, team: Team, webhooks: Sequence[Webhook]) -> list[Receipt]:
    """Submit, edit a webhook, delete one, submit: each of it until it was answered. It may be done twice."""
    receipts = await submit(daemon, team, 2, 3)
    await insist(lambda: daemon.change(webhooks[0], name="renamed"))
    await insist(lambda: daemon.parts.webhooks.delete(webhooks[-1].id))
    return receipts + await submit(daemon, team, LARGE_NUMBER, *range(4, 12))


async def come_to_rest(daemon: RunningDaemon) -> None:
    with trio.fail_after(900):
        await until_at_rest(daemon)
        await trio.sleep(1)  # idle actors retire, and close their connections
        await until_at_rest(daemon)


def check(state_dir: Path, told: Told) -> None:
    evidence = gather_from(state_dir / DATABASE, told)
    assert violations(evidence) == []
    assert len(evidence.events) == len(told.receipts)
    assert len(evidence.mails) == 1


@dataclass(slots=True)
class Newcomers:
    """What was made by hand and answered: nobody may rely on anything else."""

    teams: list[Team] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    webhooks: list[Webhook] = field(default_factory=list)
    grants: int = 0

    async def come(self, daemon: RunningDaemon) -> None:
        """Make a team with a key, a webhook and credits, and revoke the key."""
        teams = daemon.parts.teams
        self.teams.append(await teams.create(None, "Newcomer", ()))
        made = await teams.create_key(self.teams[-1].id, "first")
        if made is None:
            return  # the team did not become known: the daemon is about to end
        self.keys.append(made[1])
        self.webhooks.append(await daemon.webhook(self.teams[-1], "https://new.example/hook"))
        self.grants += await teams.grant_credits(self.teams[-1].id, 100, None) is not None
        revoked = self.keys.pop()
        assert await teams.revoke_key(made[0].id)
        self.revoked.append(revoked)

    async def are_known(self, daemon: RunningDaemon) -> None:
        """Check that the daemon knows them, in its memory."""
        assert [daemon.parts.api_keys.find(key) for key in self.revoked] == [None] * len(self.revoked)
        assert None not in [daemon.parts.api_keys.find(key) for key in self.keys]
        for team in self.teams:
            [receipt] = await daemon.parts.router.submit(Submission((_event(team, 0),)))
            assert receipt.deliveries >= len(self.webhooks)
            assert await daemon.balance(team) >= 100 * self.grants


@pytest.mark.fault(
    "A crash of the store: before a commit, after it, or between it and what follows from it in memory",
    "The process ends non-zero at once; its next start knows all that is on disk, and all other promises hold",
)
@pytest.mark.parametrize("point", STORE_POINTS, ids=str)
async def test_a_crash_of_the_store_ends_the_daemon_and_the_next_start_knows_all_that_is_on_disk(
    point: Point, tmp_path: Path, first_life: FirstLife, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_in_small_pieces(monkeypatch)
    wire, clock = Wire(answer=answer), VirtualWallClock()
    first_life.bring_back(tmp_path, wire, clock)
    team, webhooks, receipts = first_life.team, first_life.webhooks, list(first_life.receipts)
    saboteur, newcomers = Saboteur(point, wire.crash), Newcomers()
    settings = make_settings(tmp_path, credits={"enforce": True})
    with gives_up(), monkeypatch.context() as patch:
        saboteur.enter(patch)
        saboteur.armed = True
        async with running(
            tmp_path, clock=clock, transport=wire.transport, settings=settings, adapt=saboteur.sabotaged
        ) as daemon:
            mails = daemon.mails
            with suppress(StoreUnavailable):
                await newcomers.come(daemon)
            await go_on(daemon, team, webhooks)
            await trio.sleep(900)
    assert saboteur.struck
    wire.life += 3
    async with running(tmp_path, clock=clock, transport=wire.transport, settings=settings) as daemon:
        receipts += await go_on(daemon, team, webhooks)
        await come_to_rest(daemon)
        maildir = tuple({mail.id for mail in (*mails, *daemon.mails)})
    told = Told(tuple(wire.arrivals), tuple(receipts), by_hand=frozenset({webhooks[-1].id}), maildir=maildir)
    check(tmp_path, told)
    async with running(tmp_path, clock=clock, transport=wire.transport, settings=settings) as daemon:
        await newcomers.are_known(daemon)


@pytest.mark.fault(
    "A real process crashes between the commit of a revoked API key and its memory",
    "It ends with 1 at once, and the key is refused after the next start",
)
@ends_within(40)
async def test_a_key_whose_revocation_crashed_is_refused_after_the_next_start(tmp_path: Path) -> None:
    installation = make_installation(tmp_path)
    # It crashes when the answer of the third command is to be applied to memory.
    sabotaged = replace(installation, program=("tests.faults.sabotage", "then", "3"))
    with closing(installation):
        async with operated(sabotaged) as operator:
            await operator.make_team()
            key = await operator.make_key()
            with suppress(httpx.TransportError, AssertionError):  # whether it is answered is left open
                await operator.call("DELETE", f"/v1/keys/{key['id']}", expect=204)
            assert await operator.daemon.ended() == EXIT_FAILED
            operator.daemon.killed = True
            [line] = operator.daemon.log_lines("actor_restarts_exhausted")
            assert (line["actor"], line["error"]) == ("store", "Bug: before then, call 3")
        async with operated(installation) as operator:
            operator.http.headers["Authorization"] = f"Bearer {key['key']}"
            await operator.call("GET", "/v1/verify", expect=401)


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

    async with running(tmp_path, transport=lambda: MockTransport(receive)) as daemon:
        team = await daemon.team()
        crashing = await daemon.webhook(team, "https://crashing/hook")
        healthy = [await daemon.webhook(team, f"https://healthy{number}/hook") for number in range(3)]
        for number in range(20):
            started = trio.current_time()
            await daemon.submit(team, number)
            await trio.sleep(0.5)
            assert [at - started for at in arrived_at] == pytest.approx([0.01] * 3, abs=0.001)
            arrived_at.clear()
        assert daemon.parts.fleet.parked == 1
        assert await daemon.statuses(crashing) == ["pending"] * 20
        assert [await daemon.statuses(webhook) for webhook in healthy] == [["succeeded"] * 20] * 3
