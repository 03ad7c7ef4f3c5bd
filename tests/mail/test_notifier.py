import io
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.config.settings import LogSettings, SmtpSettings
from daemon.domain.clock import clock_of
from daemon.domain.email_addresses import parse_sender
from daemon.domain.errors import StoreUnavailable
from daemon.domain.mails import Mail
from daemon.mail.message import Compose
from daemon.mail.notifier import Notifier, retry_delay_s
from daemon.mail.result import Send, SendResult
from daemon.mail.smtp import smtp_sender
from daemon.store.commands import Command, MailDeferred, MailSent
from daemon.store.reads import actor_reads
from daemon.store.reads.reader import Reader
from daemon.store.store import Store
from daemon.store.writes.writer import Writer
from daemon.telemetry.log import make_logger
from daemon.telemetry.metrics import MailResult, Metrics, make_metrics
from tests.support.smtp import MailServer, reserve_port, serving
from tests.support.telemetry import make_telemetry

EPOCH = 1_752_575_398_412
Answer = Callable[[Mail], SendResult]
Execute = Callable[[Command[None]], Awaitable[None]]


def taken(mail: Mail) -> SendResult:
    return SendResult(taken=mail.recipients)


def deferred(mail: Mail) -> SendResult:
    return SendResult(deferred=mail.recipients, error="mail server: down")


@dataclass
class World:
    """An outbox, a mail server and a wall clock that follow the test's orders."""

    mails: dict[str, Mail] = field(default_factory=dict)
    answer: Answer = taken
    clock_offset_ms: int = 0
    writes_fail: int = 0
    reads_fail: int = 0
    sendings: list[tuple[float, str, tuple[str, ...]]] = field(default_factory=list)
    written: list[Command[None]] = field(default_factory=list)
    log: io.BytesIO = field(default_factory=io.BytesIO)

    def now_ms(self) -> int:
        return EPOCH + round(trio.current_time() * 1000) + self.clock_offset_ms

    def queue(self, mail: Mail, **changes: Any) -> None:
        mail = replace(mail, created_at=self.now_ms(), next_attempt_at=self.now_ms(), **changes)
        self.mails[mail.id] = mail

    async def due(self, now: int) -> Sequence[Mail]:
        await trio.lowlevel.checkpoint()
        if self.reads_fail:
            self.reads_fail -= 1
            raise StoreUnavailable
        mails = sorted(self.mails.values(), key=lambda mail: mail.next_attempt_at)
        return [mail for mail in mails if mail.next_attempt_at <= now][:20]

    async def next_due_at(self) -> int | None:
        await trio.lowlevel.checkpoint()
        return min((mail.next_attempt_at for mail in self.mails.values()), default=None)

    async def execute(self, command: Command[None]) -> None:
        await trio.lowlevel.checkpoint()
        if self.writes_fail:
            self.writes_fail -= 1
            raise StoreUnavailable
        self.written.append(command)
        match command:
            case MailSent(mail_id):
                del self.mails[mail_id]
            case MailDeferred(mail_id, recipients, attempts_made, next_attempt_at):
                self.mails[mail_id] = replace(
                    self.mails[mail_id],
                    recipients=recipients,
                    attempts_made=attempts_made,
                    next_attempt_at=next_attempt_at,
                )

    async def send(self, mail: Mail) -> SendResult:
        await trio.lowlevel.checkpoint()
        self.sendings.append((trio.current_time(), mail.id, mail.recipients))
        return self.answer(mail)

    async def fetch(self, query: Callable[..., Any], *arguments: Any) -> Any:
        """Answer what the reader would."""
        answers: dict[Callable[..., Any], Callable[..., Any]] = {
            actor_reads.due_mails: self.due,
            actor_reads.next_mail_at: self.next_due_at,
        }
        return await answers[query](*arguments)

    def notifier(
        self, *, execute: Execute | None = None, send: Send | None = None, metrics: Metrics | None = None
    ) -> Notifier:
        """Return the actor over this world, or with something else in the place of a part of it."""
        log = make_logger(LogSettings(format="json"), self.log, strict=True)
        return Notifier(
            store=Store(cast(Reader, self), cast(Writer, SimpleNamespace(execute=execute or self.execute))),
            clock=clock_of(self.now_ms),
            telemetry=make_telemetry(log, metrics),
            send=send or self.send,
        )

    @property
    def sent_at(self) -> list[float]:
        return [at for at, _, _ in self.sendings]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@pytest.fixture
def world() -> World:
    return World()


async def run_for(seconds: float, notifier: Notifier) -> None:
    with trio.move_on_after(seconds):
        await notifier.run()


def test_the_retries_double_from_five_seconds_to_a_quarter_of_an_hour() -> None:
    assert [retry_delay_s(made) for made in range(10)] == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]
    assert retry_delay_s(100_000) == 900


async def test_what_waits_at_the_start_is_sent_at_once(world: World, mail: Mail, autojump_clock: MockClock) -> None:
    world.queue(mail)
    await run_for(1, world.notifier())
    assert world.sent_at == [0]
    assert world.written == [MailSent(mail.id, EPOCH, None)]


async def test_a_mail_queued_later_is_sent_when_woken(world: World, mail: Mail, autojump_clock: MockClock) -> None:
    notifier = world.notifier()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(notifier.run)
        await trio.sleep(7)
        world.queue(mail)
        notifier.wake()
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert world.sent_at == [7]


async def test_a_wake_while_a_mail_is_being_sent_is_not_lost(
    world: World, mail: Mail, autojump_clock: MockClock
) -> None:
    notifier = world.notifier()

    def queue_another(sending: Mail) -> SendResult:
        if sending.id == mail.id:
            world.queue(mail, id="mail_2")
            notifier.wake()
        return taken(sending)

    world.answer = queue_another
    world.queue(mail)
    await run_for(1, notifier)
    assert [mail_id for _, mail_id, _ in world.sendings] == [mail.id, "mail_2"]


async def test_a_lost_wake_costs_a_minute_at_most(world: World, mail: Mail, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.notifier().run)
        await trio.sleep(1)
        world.queue(mail)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert world.sent_at == [60]


async def test_mails_go_out_oldest_first_and_all_of_a_long_queue(
    world: World, mail: Mail, autojump_clock: MockClock
) -> None:
    for number in range(50):
        world.queue(mail, id=f"mail_{number:02}")
    await run_for(1, world.notifier())
    assert [mail_id for _, mail_id, _ in world.sendings] == [f"mail_{number:02}" for number in range(50)]
    assert world.mails == {}


async def test_a_mail_is_retried_with_growing_pauses_while_the_server_is_down(
    world: World, mail: Mail, autojump_clock: MockClock
) -> None:
    world.answer = deferred
    world.queue(mail)
    await run_for(4000, world.notifier())
    assert world.sent_at == [0, 5, 15, 35, 75, 155, 315, 635, 1275, 2175, 3075, 3975]


async def test_a_server_that_is_down_for_days_gets_the_mail_once_when_it_is_back(
    world: World, mail: Mail, autojump_clock: MockClock
) -> None:
    back_at = 3 * 86_400
    world.answer = lambda mail: taken(mail) if trio.current_time() >= back_at else deferred(mail)
    world.queue(mail)
    await run_for(4 * 86_400, world.notifier())
    assert world.mails == {}
    assert [at for at in world.sent_at if at >= back_at] == world.sent_at[-1:]
    assert world.sent_at[-1] <= back_at + 900


async def test_only_those_who_did_not_get_it_are_tried_again(
    world: World, mail: Mail, autojump_clock: MockClock
) -> None:
    def first_ann_then_all(sending: Mail) -> SendResult:
        if sending.attempts_made:
            return taken(sending)
        return SendResult(taken=("ann@example.com",), deferred=("bob@example.com",), error="bob: 450 busy")

    world.answer = first_ann_then_all
    world.queue(mail)
    await run_for(10, world.notifier())
    assert [recipients for _, _, recipients in world.sendings] == [mail.recipients, ("bob@example.com",)]
    assert world.written == [
        MailDeferred(mail.id, ("bob@example.com",), 1, EPOCH + 5000, "bob: 450 busy"),
        MailSent(mail.id, EPOCH + 5000, None),
    ]


async def test_a_refusal_for_good_is_logged_and_ends_the_mail(
    world: World, mail: Mail, autojump_clock: MockClock
) -> None:
    metrics = make_metrics()
    world.answer = lambda mail: SendResult(refused=mail.recipients, error="ann@example.com: 550 unknown")
    world.queue(mail)
    await run_for(1000, world.notifier(metrics=metrics))
    assert len(world.sendings) == 1
    assert world.written == [MailSent(mail.id, EPOCH, "ann@example.com: 550 unknown")]
    (line,) = world.lines
    assert (line["event"], line["error"]) == ("mail_undeliverable", "ann@example.com: 550 unknown")
    assert b'mails_total{result="given_up"} 1.0' in metrics.render()


async def test_a_sending_is_logged_and_counted(world: World, mail: Mail, autojump_clock: MockClock) -> None:
    metrics = make_metrics()
    answers = iter((deferred, taken))
    world.answer = lambda mail: next(answers)(mail)
    world.queue(mail)
    await run_for(10, world.notifier(metrics=metrics))
    retried, sent = world.lines
    assert (retried["event"], retried["attempt"], retried["retryInMs"]) == ("mail_deferred", 1, 5000)
    assert (sent["event"], sent["mailId"], sent["recipients"]) == ("mail_sent", "mail_01k", 2)
    for result in (MailResult.SENT, MailResult.DEFERRED):
        assert f'mails_total{{result="{result}"}} 1.0'.encode() in metrics.render()


async def test_a_mail_for_nobody_is_given_up(world: World, mail: Mail, autojump_clock: MockClock) -> None:
    world.queue(mail, recipients=())
    await run_for(1, world.notifier())
    assert world.sendings == []
    assert world.mails == {}
    assert world.lines[0]["event"] == "mail_undeliverable"


async def test_a_mail_that_crashes_the_sender_does_not_hold_up_the_others(
    world: World, mail: Mail, autojump_clock: MockClock
) -> None:
    def crash(sending: Mail) -> SendResult:
        if sending.id == mail.id:
            raise ZeroDivisionError
        return taken(sending)

    world.answer = crash
    world.queue(mail)
    world.queue(mail, id="mail_2")
    await run_for(1, world.notifier())
    assert list(world.mails) == [mail.id]
    assert world.lines[0]["event"] == "mail_crashed"
    assert "ZeroDivisionError" in world.lines[0]["traceback"]


# the store fails


async def test_a_store_that_fails_after_the_sending_does_not_cause_a_second_mail(
    world: World, mail: Mail, autojump_clock: MockClock
) -> None:
    world.writes_fail = 10
    world.queue(mail)
    await run_for(1000, world.notifier())
    assert world.sent_at == [0]
    assert world.written == [MailSent(mail.id, EPOCH, None)]


async def test_a_store_that_cannot_be_read_is_asked_again(world: World, mail: Mail, autojump_clock: MockClock) -> None:
    world.reads_fail = 3
    world.queue(mail)
    await run_for(10, world.notifier())
    assert world.sent_at == [1 + 2 + 4]


# stops and crashes


async def test_a_stop_right_after_the_sending_still_records_it(
    world: World, mail: Mail, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:

        def stop_now(sending: Mail) -> SendResult:
            nursery.cancel_scope.cancel()
            return taken(sending)

        world.answer = stop_now
        world.queue(mail)
        nursery.start_soon(world.notifier().run)
    assert world.written == [MailSent(mail.id, EPOCH, None)]


async def test_a_stop_waits_five_seconds_at_most_for_a_store_that_hangs(
    world: World, mail: Mail, autojump_clock: MockClock
) -> None:
    async def hang(command: Command[None]) -> None:
        await trio.sleep_forever()

    world.queue(mail)
    await run_for(1, world.notifier(execute=hang))
    assert trio.current_time() == 5


async def test_a_mail_whose_sending_was_cut_short_is_sent_again_after_the_restart(
    world: World, mail: Mail, autojump_clock: MockClock
) -> None:
    async def never(sending: Mail) -> SendResult:
        await trio.sleep_forever()
        raise AssertionError

    world.queue(mail)
    await run_for(10, world.notifier(send=never))
    assert world.written == []
    await run_for(1, world.notifier())
    assert world.written == [MailSent(mail.id, EPOCH + 10_000, None)]


# the wall clock jumps


async def test_a_clock_set_back_by_a_day_does_not_hold_a_mail_back(
    world: World, mail: Mail, autojump_clock: MockClock
) -> None:
    answers = iter((deferred, taken))
    world.answer = lambda mail: next(answers)(mail)
    world.queue(mail)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.notifier().run)
        await trio.sleep(1)
        world.clock_offset_ms = -86_400_000
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert len(world.sendings) == 2
    assert world.mails == {}


async def test_a_clock_set_forward_by_a_day_sends_no_second_mail(
    world: World, mail: Mail, autojump_clock: MockClock
) -> None:
    world.queue(mail)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.notifier().run)
        await trio.sleep(1)
        world.clock_offset_ms = 86_400_000
        await trio.sleep(1000)
        nursery.cancel_scope.cancel()
    assert len(world.sendings) == 1


async def test_a_clock_set_forward_brings_a_retry_that_is_due_by_it_within_a_minute(
    world: World, mail: Mail, autojump_clock: MockClock
) -> None:
    world.answer = deferred
    world.queue(mail, attempts_made=8)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.notifier().run)
        await trio.sleep(1)
        world.clock_offset_ms = 3_600_000
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert world.sent_at == [0, 60]


async def test_a_clock_that_jumps_does_not_make_it_spin(world: World, mail: Mail, autojump_clock: MockClock) -> None:
    world.answer = deferred
    world.queue(mail)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.notifier().run)
        for offset in (-86_400_000, 86_400_000, 0, -3_600_000):
            await trio.sleep(100)
            world.clock_offset_ms = offset
        await trio.sleep(600)
        nursery.cancel_scope.cancel()
    assert len(world.sendings) < 15


# a real mail server


async def test_a_mail_goes_out_once_a_real_server_is_up_again(mail: Mail, compose: Compose) -> None:
    world, server, bound = World(), MailServer(), reserve_port()
    settings = SmtpSettings(host="127.0.0.1", port=bound.getsockname()[1], security="none")
    sender = parse_sender("hooks@example.com")
    assert sender is not None
    deferred_once, sent = trio.Event(), trio.Event()

    async def execute(command: Command[None]) -> None:
        await World.execute(world, command)
        (sent if isinstance(command, MailSent) else deferred_once).set()

    world.queue(mail)
    notifier = world.notifier(send=smtp_sender(settings, sender, compose), execute=execute)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(notifier.run)
        await deferred_once.wait()
        await wait_all_tasks_blocked()
        with serving(server, bound):
            world.mails[mail.id] = replace(world.mails[mail.id], next_attempt_at=world.now_ms())
            notifier.wake()
            await sent.wait()
        nursery.cancel_scope.cancel()
    assert [message["Message-ID"] for message in server.messages] == ["<mail_01k@example.com>"]
    assert [line["event"] for line in world.lines] == ["mail_deferred", "mail_sent"]
