"""The next delivery goes out while successes are on their way to disk (architecture "One busy webhook")."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.delivery.open_outcomes import MOST_OPEN, OPEN_S
from daemon.domain.model import Team, Webhook
from tests.actors.disk import disk_of
from tests.actors.receivers import A
from tests.support.daemon import FakeReceiver, FakeThread, RunningDaemon, make_settings, running

TAKES_S, COMMIT_S = 0.1, 5.0
MANY = 40
HOUSEKEEPING_S = 30  # by then what a start has to clean up is done, and takes no commit of the slow disk's


@dataclass(slots=True)
class Receiver:
    """Takes `TAKES_S` for each POST and gives the answers of `script` by event; the rest get 200."""

    script: dict[int, list[int | Exception]] = field(default_factory=dict)
    inner: FakeReceiver = field(default_factory=FakeReceiver)
    in_flight: int = 0
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self.inner.answers[A] = self.answer

    async def answer(self, _request: httpx.Request) -> httpx.Response:
        number = self.inner.arrivals[-1].number
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await trio.sleep(TAKES_S)
        finally:
            self.in_flight -= 1
        answer = self.script[number].pop(0) if self.script.get(number) else 200
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer)

    @property
    def numbers(self) -> list[int]:
        return [arrival.number for arrival in self.inner.arrivals]


@dataclass(frozen=True, slots=True)
class Busy:
    """A daemon with one webhook, whose commits take as long as `run_write` says."""

    daemon: RunningDaemon
    run_write: FakeThread
    team: Team
    webhook: Webhook

    async def submit_to_slow_disk(self, *numbers: int) -> None:
        await self.daemon.submit(self.team, *numbers)
        self.run_write.begin_s = COMMIT_S

    async def statuses(self) -> list[str]:
        return await self.daemon.statuses(self.webhook)


@asynccontextmanager
async def busy(state_dir: Path, receiver: Receiver, **sections: Any) -> AsyncIterator[Busy]:
    run_write, settings = FakeThread(), make_settings(state_dir, **sections)
    async with running(state_dir, receiver.inner, settings=settings, run_write=run_write) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await trio.sleep(HOUSEKEEPING_S)
        yield Busy(daemon, run_write, team, webhook)


async def test_the_next_deliveries_are_sent_while_a_success_is_on_its_way_to_disk_up_to_a_limit(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = Receiver()
    async with busy(tmp_path, receiver) as one:
        await one.submit_to_slow_disk(*range(MANY))
        await trio.sleep(TAKES_S * MOST_OPEN + COMMIT_S / 2)
        assert receiver.numbers == list(range(MOST_OPEN))
        assert set(await one.statuses()) == {"pending"}


async def test_each_delivery_arrives_once_in_order_and_one_at_a_time_even_when_read_from_the_database(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = Receiver()
    async with busy(tmp_path, receiver) as one:
        await one.submit_to_slow_disk(*range(MANY))
        while len(receiver.numbers) < MANY:
            await trio.sleep(0.77)
            one.daemon.parts.fleet.wake([one.webhook.id])  # open successes are still pending in the database
        await trio.sleep(60)
        assert receiver.numbers == list(range(MANY))
        assert receiver.most_in_flight == 1
        assert await one.statuses() == ["succeeded"] * MANY
        assert await one.daemon.balance(one.team) == -2 * MANY


async def test_the_success_of_a_quiet_webhook_shares_the_commit_of_the_next_event(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with busy(tmp_path, Receiver()) as one:
        await one.daemon.submit(one.team, 0)
        await trio.sleep(1)
        before, rounds = one.daemon.database.transactions, 10
        for number in range(1, 1 + rounds):
            await one.daemon.submit(one.team, number)
            await trio.sleep(TAKES_S + OPEN_S / 2)
        assert one.daemon.database.transactions - before == rounds
        await trio.sleep(OPEN_S)
        assert await one.statuses() == ["succeeded"] * (1 + rounds)


async def test_a_success_waits_for_no_other_commit_while_there_is_something_to_send(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with busy(tmp_path, Receiver()) as one:
        await one.daemon.submit(one.team, *range(3))
        await trio.sleep(TAKES_S + OPEN_S / 4)
        assert await one.statuses() == ["succeeded", "pending", "pending"]


async def test_a_change_makes_no_success_wait(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with busy(tmp_path, Receiver()) as one:
        await one.daemon.submit(one.team, 0)
        await trio.sleep(TAKES_S + OPEN_S / 4)
        assert await one.statuses() == ["pending"]
        began = one.daemon.now
        await one.daemon.change(one.webhook, name="renamed")
        assert one.daemon.now - began < OPEN_S / 4
        assert await one.statuses() == ["succeeded"]


async def test_committed_successes_are_logged_in_order(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with busy(tmp_path, Receiver()) as one:
        await one.submit_to_slow_disk(*range(MANY))
        await trio.sleep(COMMIT_S * MANY)
        told = [line["deliveryId"] for line in one.daemon.log_lines("delivery_succeeded")]
        assert told == [delivery.id for delivery in await one.daemon.deliveries(one.webhook)]


async def test_a_failure_waits_for_the_successes_before_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = Receiver({2: [500]})
    async with busy(tmp_path, receiver) as one:
        await one.submit_to_slow_disk(0, 1, 2, 3)
        await trio.sleep(60)
        told = [
            (line["event"], line["attempt"]) for line in one.daemon.log_lines("delivery_succeeded", "attempt_ended")
        ]
        ended = "delivery_succeeded"
        assert told == [(ended, 1), (ended, 1), ("attempt_ended", 1), (ended, 2), (ended, 1)]
        assert receiver.numbers == [0, 1, 2, 2, 3]
        failed_at, again_at = (arrival.at for arrival in receiver.inner.arrivals if arrival.number == 2)
        # The first commit had one success, the second the other, the third the failure.
        assert again_at - failed_at == pytest.approx(3 * COMMIT_S - 2 * TAKES_S, abs=TAKES_S)


async def test_failures_after_open_successes_are_counted_from_zero_and_disable_at_four(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = Receiver({number: [500] * 4 for number in (0, 3, 4, 5, 6)})
    async with busy(tmp_path, receiver) as one:
        await one.submit_to_slow_disk(*range(9))
        await trio.sleep(600)
        assert await one.statuses() == ["failed", *["succeeded"] * 2, *["failed"] * 4, *["cancelled"] * 2]
        webhook = await one.daemon.current(one.webhook)
        assert (webhook.active, webhook.consecutive_failures) == (False, 4)
        assert len(one.daemon.mails) == 1
        assert await one.daemon.balance(one.team) == -2 * 2


async def test_a_success_that_resets_the_failure_counter_is_committed_before_the_next_is_sent(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = Receiver({0: [500] * 4})
    async with busy(tmp_path, receiver) as one:
        await one.submit_to_slow_disk(0, 1, 2, 3)
        await trio.sleep(600)
        at = {arrival.number: arrival.at for arrival in receiver.inner.arrivals}
        assert at[2] - at[1] == pytest.approx(TAKES_S + COMMIT_S, abs=0.01)
        assert at[3] - at[2] == pytest.approx(TAKES_S, abs=0.01)


@pytest.mark.parametrize("action", ["disable", "delete", "edit"])
async def test_a_change_waits_for_open_outcomes_and_lets_the_attempt_in_flight_finish(
    tmp_path: Path, autojump_clock: MockClock, action: str
) -> None:
    receiver = Receiver()
    async with busy(tmp_path, receiver) as one:
        await one.submit_to_slow_disk(*range(6))
        await trio.sleep(2.5 * TAKES_S)  # two are open, the third is in flight
        match action:
            case "disable":
                await one.daemon.change(one.webhook, active=False)
            case "delete":
                await one.daemon.parts.webhooks.delete(one.webhook.id)
            case _:
                await one.daemon.change(one.webhook, name="renamed")
        sent = 6 if action == "edit" else 3
        assert (await one.statuses())[:2] == ["succeeded"] * 2
        await trio.sleep(60)
        assert await one.statuses() == [*["succeeded"] * sent, *["cancelled"] * (6 - sent)]
        assert receiver.numbers == list(range(sent))
        assert await one.daemon.balance(one.team) == -2 * sent


async def test_a_stop_waits_for_open_outcomes(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = Receiver()
    async with busy(tmp_path, receiver) as one:
        await one.submit_to_slow_disk(*range(6))
        await trio.sleep(2.5 * TAKES_S)
        one.daemon.stop.set()
        await one.daemon.stopped.wait()
        assert len(one.daemon.log_lines("delivery_succeeded")) == 3
    async with running(tmp_path, receiver.inner, one.daemon.clock) as daemon:
        await trio.sleep(60)
        assert receiver.numbers == list(range(6))
        assert await daemon.statuses(one.webhook) == ["succeeded"] * 6


async def test_outcomes_open_when_the_grace_ends_are_committed_or_sent_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = Receiver()
    async with busy(tmp_path, receiver, delivery={"stop_grace_s": 1}) as one:
        await one.submit_to_slow_disk(*range(6))
        await trio.sleep(2.5 * TAKES_S)
        one.daemon.stop.set()
        await one.daemon.stopped.wait()
    async with running(tmp_path, receiver.inner, one.daemon.clock) as daemon:
        await trio.sleep(60)
        assert receiver.numbers == list(range(6))  # the store commits what it was given
        assert await daemon.statuses(one.webhook) == ["succeeded"] * 6


async def test_a_kill_repeats_at_most_as_many_deliveries_as_may_be_open(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = Receiver()
    async with busy(tmp_path, receiver) as one:
        await one.submit_to_slow_disk(*range(MANY))
        await trio.sleep(TAKES_S * 2 * MOST_OPEN)
    sent = len(receiver.numbers)
    async with running(tmp_path, receiver.inner, one.daemon.clock) as daemon:
        await trio.sleep(60)
        assert receiver.numbers == [*range(sent), *range(MANY)]
        assert sent == MOST_OPEN
        assert await daemon.statuses(one.webhook) == ["succeeded"] * MANY
        assert await daemon.balance(one.team) == -2 * MANY


async def test_a_crash_of_the_actor_repeats_no_open_success(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = Receiver({2: [RuntimeError("a bug")]})
    async with busy(tmp_path, receiver, credits={"enforce": True}) as one:
        await one.daemon.grant(one.team, 12)
        await one.submit_to_slow_disk(*range(6))
        await trio.sleep(120)
        assert len(one.daemon.log_lines("actor_restarted")) == 1
        assert receiver.numbers == [0, 1, 2, *range(2, 6)]
        assert await one.statuses() == ["succeeded"] * 6
        assert await one.daemon.balance(one.team) == 0


async def test_while_the_store_fails_no_more_is_sent_than_may_be_open_and_all_is_committed_afterwards(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receiver = Receiver()
    async with busy(tmp_path, receiver) as one:
        disk = disk_of(one.daemon)
        await one.daemon.submit(one.team, *range(10))
        disk.full = True
        await trio.sleep(120)
        assert receiver.numbers == list(range(MOST_OPEN))
        disk.full = False
        await trio.sleep(60)
        assert receiver.numbers == list(range(10))
        assert await one.statuses() == ["succeeded"] * 10
        assert await one.daemon.balance(one.team) == -2 * 10
        assert one.daemon.log_lines("store_recovered")


async def test_disabling_does_not_overtake_a_success_that_the_store_could_not_take(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with busy(tmp_path, Receiver()) as one:
        disk = disk_of(one.daemon)
        await one.daemon.submit(one.team, *range(6))
        disk.full = True
        await trio.sleep(30)
        disk.full = False  # the next try is some seconds away
        await one.daemon.change(one.webhook, active=False)
        assert await one.statuses() == [*["succeeded"] * MOST_OPEN, *["cancelled"] * (6 - MOST_OPEN)]
        assert await one.daemon.balance(one.team) == -2 * MOST_OPEN


async def test_credits_cover_every_open_success(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = Receiver()
    async with busy(tmp_path, receiver, credits={"enforce": True}) as one:
        await one.daemon.grant(one.team, 5)
        await one.submit_to_slow_disk(*range(6))
        await trio.sleep(60)
        assert receiver.numbers == [0, 1]
        assert await one.statuses() == [*["succeeded"] * 2, *["pending"] * 4]
        assert await one.daemon.balance(one.team) == 1
        await one.daemon.grant(one.team, 7)
        await trio.sleep(60)
        assert receiver.numbers == list(range(6))
        assert await one.daemon.balance(one.team) == 0
        assert len(one.daemon.log_lines("delivery_awaiting_credits")) == 1


async def test_an_idle_actor_does_not_end_while_a_success_is_open(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver = Receiver()
    async with busy(tmp_path, receiver, delivery={"idle_actor_s": 0.2}) as one:
        await one.submit_to_slow_disk(0)
        await trio.sleep(1)
        assert one.daemon.parts.fleet.alive == 1
        await trio.sleep(60)
        assert one.daemon.parts.fleet.alive == 0
        assert receiver.numbers == [0]
        assert await one.statuses() == ["succeeded"]
