"""The wall clock jumps by a day: waits follow Trio's clock, what is stored and shown follows the wall clock."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.clock import DAY_MS, HOUR_MS
from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.mails import Mail
from daemon.domain.submission import Idempotency, NewEvent, Submission
from daemon.mail.result import SendResult
from daemon.seams import Seams
from daemon.store.reads.delivery_reads import list_deliveries
from tests.support.daemon import (
    EPOCH_MS,
    FakeReceiver,
    RunningDaemon,
    VirtualWallClock,
    make_settings,
    running,
    statuses,
)

URL = "https://a.example/hook"
JUMPS = pytest.mark.parametrize("jump_ms", [DAY_MS, -DAY_MS], ids=["forward", "backward"])


@pytest.mark.fault(
    "The wall clock jumps a day forward or backward during a back-off",
    "Retries come after 1, 2 and 4 s all the same: neither early nor never",
)
@JUMPS
async def test_a_clock_jump_during_a_back_off_moves_no_retry(
    jump_ms: int, tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = FakeReceiver({URL: statuses(500)})
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, URL)
        await daemon.submit(team, 1, 2)
        for _ in range(14):
            await trio.sleep(1.03)
            daemon.clock.offset_ms += jump_ms
        await trio.sleep(1)
        expected = [0, 1, 3, 7, 7, 8, 10, 14]
        assert [arrival.at for arrival in receiver.arrivals] == pytest.approx(expected, abs=0.01)
        assert await daemon.statuses(webhook) == ["failed", "failed"]


@pytest.mark.fault(
    "The wall clock is set back by a day while the daemon is down",
    "A back-off lasts no longer than it was to last at all",
)
async def test_a_clock_set_back_while_the_daemon_is_down_makes_no_back_off_hang(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    clock = VirtualWallClock()
    receiver = FakeReceiver({URL: statuses(500, 500, 200)})
    async with running(tmp_path, receiver, clock) as daemon:
        team = await daemon.team()
        await daemon.webhook(team, URL)
        await daemon.submit(team, 1)
        await trio.sleep(1.5)  # 0.5 s into the back-off of 2 s
    clock.offset_ms -= DAY_MS
    async with running(tmp_path, receiver, clock):
        await trio.sleep(10)
    assert [arrival.at for arrival in receiver.arrivals] == pytest.approx([0, 1, 3.5], abs=0.01)


@pytest.mark.fault(
    "The wall clock jumps a day forward while the daemon is down",
    "A back-off that is over by the wall clock is not waited for; attempts keep their numbers",
)
async def test_a_clock_set_forward_while_the_daemon_is_down_ends_the_back_off(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    clock = VirtualWallClock()
    receiver = FakeReceiver({URL: statuses(500, 200)})
    async with running(tmp_path, receiver, clock) as daemon:
        team = await daemon.team()
        await daemon.webhook(team, URL)
        await daemon.submit(team, 1)
        await trio.sleep(0.5)
    clock.offset_ms += DAY_MS
    async with running(tmp_path, receiver, clock):
        await trio.sleep(10)
    assert [arrival.at for arrival in receiver.arrivals] == pytest.approx([0, 0.5], abs=0.01)
    assert [arrival.attempt for arrival in receiver.arrivals] == [1, 2]


@pytest.mark.fault(
    "The wall clock jumps a day forward or backward while a mail waits to be tried again",
    "The mail is sent within a minute or two, once",
)
@JUMPS
async def test_a_clock_jump_holds_up_no_mail(jump_ms: int, tmp_path: Path, autojump_clock: MockClock) -> None:
    sent: list[float] = []

    async def refuse_twice(mail: Mail) -> SendResult:
        await trio.lowlevel.checkpoint()
        sent.append(trio.current_time())
        refused = len(sent) <= 2
        return SendResult(deferred=mail.recipients, error="busy") if refused else SendResult(taken=mail.recipients)

    def refusing(seams: Seams) -> Seams:
        return replace(seams, send_mail=refuse_twice)

    settings = make_settings(tmp_path, delivery={"retry_delays_s": [0.01], "disable_after": 1})
    async with running(tmp_path, FakeReceiver({URL: statuses(500)}), settings=settings, adapt=refusing) as daemon:
        team = await daemon.team()
        await daemon.webhook(team, URL)
        await daemon.submit(team, 1)
        await trio.sleep(1)
        for _ in range(2):
            daemon.clock.offset_ms += jump_ms
            await trio.sleep(61)
        await trio.sleep(1000)
    assert len(sent) == 3
    assert sent[-1] - sent[0] < 130


async def submit_once(daemon: RunningDaemon, team_id: str) -> str:
    event = NewEvent(team_id, "linkedin.message.sent", EPOCH_MS, b'{"data":{"n":1}}')
    (receipt,) = await daemon.parts.router.submit(Submission((event,), Idempotency("operator", "key", b"same")))
    return receipt.event_id


@pytest.mark.fault(
    "The wall clock jumps between two submissions with the same idempotency key",
    "For 24 h the first receipt, whether the clock is ahead or behind then or was behind before; later a new event",
    cases=3,
)
@pytest.mark.parametrize("before_ms", [0, -3 * DAY_MS, 3 * DAY_MS], ids=["right", "behind", "ahead"])
async def test_an_idempotency_key_is_valid_for_24_hours_however_the_clock_jumps(
    tmp_path: Path, before_ms: int, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        await trio.sleep(1)  # it has seen the right time
        daemon.clock.offset_ms += before_ms
        first = await submit_once(daemon, team.id)
        daemon.clock.offset_ms -= before_ms
        for jump_ms in (-2 * DAY_MS, 2 * DAY_MS, 0):
            daemon.clock.offset_ms += jump_ms
            assert await submit_once(daemon, team.id) == first
            await trio.sleep(1_000)
            assert await submit_once(daemon, team.id) == first
            daemon.clock.offset_ms -= jump_ms


async def test_an_idempotency_key_is_new_again_after_a_day(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        first = await submit_once(daemon, team.id)
        daemon.clock.offset_ms += DAY_MS
        await trio.sleep(2 * HOUR_MS / 1000)
        assert await submit_once(daemon, team.id) != first


@pytest.mark.fault(
    "The wall clock jumps to and fro while events are submitted",
    "Ids stay unique, order stays, and webhook-timestamp shows the wall clock",
)
async def test_ids_and_order_survive_clock_jumps_and_timestamps_follow_them(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        await daemon.webhook(team, URL)
        ids, shown = [], []
        for number, jump_ms in enumerate([0, DAY_MS, -DAY_MS, -DAY_MS, DAY_MS, 0]):
            daemon.clock.offset_ms += jump_ms
            ids += await daemon.submit(team, number, number)
            await trio.sleep(1)
            shown += [(daemon.clock() - 1000) // 1000] * 2
        assert len(set(ids)) == len(ids) == 12
        assert [arrival.number for arrival in daemon.receiver.arrivals] == [number for number in range(6) for _ in "ab"]
        assert len({arrival.delivery_id for arrival in daemon.receiver.arrivals}) == 12
        assert [int(arrival.headers["webhook-timestamp"]) for arrival in daemon.receiver.arrivals] == shown


@pytest.mark.fault(
    "The wall clock is hours or days behind or ahead while events are accepted, then right again",
    "`recover` and lists by time find each event whose time of acceptance is asked for, and no other",
)
@pytest.mark.parametrize("jump_ms", [-HOUR_MS, -3 * DAY_MS, 2 * HOUR_MS, 5 * DAY_MS], ids=str)
async def test_recover_and_time_filters_find_what_was_accepted_while_the_clock_was_wrong(
    jump_ms: int, tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.store.reads.time_blocks.ROWS_PER_BLOCK", 3)
    settings = make_settings(tmp_path, delivery={"retry_delays_s": [], "disable_after": 100})
    async with running(tmp_path, FakeReceiver({URL: statuses(500)}), settings=settings) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, URL)
        accepted_at = []
        for number in range(20):
            daemon.clock.offset_ms = jump_ms if 5 <= number < 15 else 0
            accepted_at.append(daemon.clock())
            await daemon.submit(team, number)
            await trio.sleep(600)
        for since in (accepted_at[0], accepted_at[7], accepted_at[12], accepted_at[17]):
            missed = sum(at >= since for at in accepted_at)
            wanted = DeliveryFilter(webhook_id=webhook.id, since=since)
            assert len(await listed(daemon, wanted)) >= missed
            daemon.receiver.answers[URL] = statuses(500)
            assert await daemon.parts.replays.recover(webhook.id, since) == missed
            await trio.sleep(600)


async def listed(daemon: RunningDaemon, wanted: DeliveryFilter) -> list[str]:
    """Return the ids on all pages."""
    ids: list[str] = []
    cursor: int | None = None
    while True:
        page = await daemon.parts.store.reader.fetch(list_deliveries, wanted, 5, cursor)
        ids += [one.id for one in page.items]
        if page.next_cursor is None:
            return ids
        cursor = page.next_cursor
