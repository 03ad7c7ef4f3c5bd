"""Mail servers that are down, slow, unfair or forgetful, with the whole daemon (contract "Auto-disable").

Each mail waits and arrives once; toward a server that does not say whether it took it, at least once, under the same
Message-ID. Deliveries never wait for mail.
"""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from daemon.config.settings import Settings
from daemon.domain.clock import DAY_MS
from daemon.domain.email_addresses import parse_sender
from daemon.domain.model import Team
from daemon.mail.message import message_composer
from daemon.mail.result import Send
from daemon.mail.sender import make_sender
from daemon.mail.smtp import smtp_sender
from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.faults.moody_smtp import DrippingServer, MoodyServer, WatchedSend
from tests.support import smtp
from tests.support.daemon import FakeReceiver, RunningDaemon, make_settings, running, statuses
from tests.support.process import make_installation
from tests.support.receivers import open_receiver, respond

BROKEN, HEALTHY = "https://broken.example/in", "https://healthy.example/in"
ANN, BOB = "ann@example.com", "bob@example.com"
QUICK = {"retry_delays_s": [0.001, 0.001, 0.001], "disable_after": 1}
DEADLINE_S = 0.5  # of a sending, where a test waits for it


@dataclass(slots=True)
class Office:
    """A daemon that sends its mail to a real server, and a team with one webhook that works."""

    daemon: RunningDaemon
    sending: WatchedSend
    team: Team

    async def disable_a_webhook(self) -> None:
        """Let a webhook be disabled, which queues a mail to ann and bob."""
        webhook = await self.daemon.webhook(self.team, BROKEN, "linkedin.message.sent")
        await self.daemon.submit(self.team, 0)
        while (await self.daemon.current(webhook)).active:
            await wait_all_tasks_blocked(0.005)

    async def later(self, ms: int) -> None:
        """Advance the wall clock, and wake the mail actor."""
        await wait_all_tasks_blocked(0.005)
        self.daemon.clock.offset_ms += ms
        self.daemon.parts.notifier.wake()

    async def sends_nothing_more(self) -> None:
        """Check that the outbox is empty: nothing is sent in another day."""
        before = self.sending.begun
        await self.later(DAY_MS)
        await wait_all_tasks_blocked(0.02)
        assert self.sending.begun == before


def hurried_sender(settings: Settings) -> Send:
    """Return the sender of `settings`, with a deadline that a test can wait for."""
    sender = parse_sender(settings.smtp.sender)
    assert sender is not None
    return smtp_sender(settings.smtp, sender, message_composer(sender, settings.public_url), DEADLINE_S)


@asynccontextmanager
async def office(
    directory: Path, port: int, security: str = "none", make: Callable[[Settings], Send] = make_sender
) -> AsyncIterator[Office]:
    settings = make_settings(
        directory,
        delivery=QUICK,
        smtp={"host": "127.0.0.1", "port": port, "security": security, "from": "hooks@example.com"},
    )
    sending = WatchedSend(make(settings))
    receiver = FakeReceiver({BROKEN: statuses(503)})
    with trio.fail_after(30):
        async with running(
            directory, receiver, settings=settings, adapt=lambda seams: replace(seams, send_mail=sending)
        ) as daemon:
            yield Office(daemon, sending, await daemon.team(emails=(ANN, BOB)))


@pytest.mark.fault("The SMTP server is down", "Mail waits in the outbox and arrives once when the server is back")
async def test_mail_waits_for_a_server_that_is_down_and_arrives_once(tmp_path: Path) -> None:
    server, bound = MoodyServer(), smtp.reserve_port()
    async with office(tmp_path, bound.getsockname()[1]) as at:
        await at.disable_a_webhook()
        assert (await at.sending.has_ended(1)).deferred == (ANN, BOB)
        await at.later(5_000)
        assert (await at.sending.has_ended(2)).deferred == (ANN, BOB)
        with smtp.serving(server, bound):
            await at.later(10_000)
            assert (await at.sending.has_ended(3)).taken == (ANN, BOB)
            await at.sends_nothing_more()
    assert [envelope.rcpt_tos for envelope in server.taken] == [[ANN, BOB]]


@pytest.mark.fault(
    "The SMTP server takes a mail and does not answer",
    "Deliveries, disablings and the next mails go on; the mail arrives once when the server answers",
)
async def test_deliveries_do_not_wait_for_a_mail_server_that_hangs(tmp_path: Path) -> None:
    server = MoodyServer()
    server.gate.clear()
    with smtp.serving(server) as port:
        async with office(tmp_path, port) as at:
            await at.disable_a_webhook()
            await in_thread(server.arrived)
            healthy = await at.daemon.webhook(at.team, HEALTHY, "linkedin.message.sent")
            await at.daemon.submit(at.team, *range(50))
            while await at.daemon.statuses(healthy) != ["succeeded"] * 50:
                await wait_all_tasks_blocked(0.005)
            await at.disable_a_webhook()
            assert (at.sending.begun, at.sending.results) == (1, [])
            server.gate.set()
            await at.sending.has_ended(2)
            await at.sends_nothing_more()
    assert [envelope.rcpt_tos for envelope in server.taken] == [[ANN, BOB]] * 2
    assert len(set(server.message_ids)) == 2


@asynccontextmanager
async def dripping(at: bytes) -> AsyncIterator[tuple[DrippingServer, int]]:
    server = DrippingServer(at)
    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1"))
        yield server, listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@pytest.mark.fault(
    "The SMTP server drips its greeting or a reply for ever",
    "The connection is closed at the deadline, and the mail and those behind it arrive once at the next try",
    cases=6,
)
@pytest.mark.parametrize("at", [b"", b"EHLO", b"MAIL", b"RCPT", b"DATA", b"."], ids=bytes.decode)
async def test_a_server_that_drips_is_cut_off_and_the_mail_is_sent_at_the_next_try(tmp_path: Path, at: bytes) -> None:
    async with dripping(at) as (server, port), office(tmp_path, port, make=hurried_sender) as at_work:
        await at_work.disable_a_webhook()
        result = await at_work.sending.has_ended(1)
        assert result.deferred == (ANN, BOB)
        assert "did not answer in time" in str(result.error)
        with trio.fail_after(DEADLINE_S):
            await server.left.wait()
        messages = server.messages
        await at_work.disable_a_webhook()
        assert (await at_work.sending.has_ended(2)).taken == (ANN, BOB)
        await at_work.later(5_000)
        assert (await at_work.sending.has_ended(3)).taken == (ANN, BOB)
        await at_work.sends_nothing_more()
        assert server.messages - messages == 2


async def test_a_server_that_drips_its_tls_handshake_is_cut_off_too(tmp_path: Path) -> None:
    async with dripping(b"STAR") as (server, port), office(tmp_path, port, "starttls", hurried_sender) as at_work:
        await at_work.disable_a_webhook()
        assert "did not answer in time" in str((await at_work.sending.has_ended(1)).error)
        with trio.fail_after(DEADLINE_S):
            await server.left.wait()


@pytest.mark.fault(
    "The SMTP server takes the mail and drips its farewell for ever", "It counts as sent: there is no second mail"
)
async def test_a_mail_is_sent_once_even_if_the_server_drips_its_answer_to_quit(tmp_path: Path) -> None:
    async with dripping(b"QUIT") as (server, port), office(tmp_path, port, make=hurried_sender) as at_work:
        await at_work.disable_a_webhook()
        assert (await at_work.sending.has_ended(1)).taken == (ANN, BOB)
        with trio.fail_after(DEADLINE_S):
            await server.left.wait()
        await at_work.sends_nothing_more()
        assert server.messages == 1


@pytest.mark.fault(
    "The daemon is stopped while the SMTP server drips", "It stops at once, and hangs up on the mail server"
)
async def test_a_stop_hangs_up_on_a_mail_server_that_drips(tmp_path: Path) -> None:
    async with dripping(b"MAIL") as (server, port), office(tmp_path, port) as at_work:
        await at_work.disable_a_webhook()
        await at_work.sending.has_begun(1)
        while not server.clients:
            await wait_all_tasks_blocked(0.005)
        at_work.daemon.stop.set()
        with trio.fail_after(3):
            await at_work.daemon.stopped.wait()
            await server.left.wait()


@pytest.mark.fault(
    "The daemon is stopped while the SMTP server hangs", "It stops at once; after the restart the mail is sent"
)
async def test_a_stop_does_not_wait_for_a_mail_server_that_hangs(tmp_path: Path) -> None:
    server = MoodyServer()
    server.gate.clear()
    with smtp.serving(server) as port:
        async with office(tmp_path, port) as at:
            await at.disable_a_webhook()
            await in_thread(server.arrived)
            at.daemon.stop.set()
            with trio.fail_after(3):
                await at.daemon.stopped.wait()
        server.gate.set()
        async with office(tmp_path, port) as at:
            assert (await at.sending.has_ended(1)).taken == (ANN, BOB)
            await at.sends_nothing_more()
    assert len(set(server.message_ids)) == 1


@pytest.mark.fault(
    "The SMTP server refuses one recipient of two for good (550)",
    "The other one gets the mail; the refusal is logged and not tried again",
)
async def test_one_refused_recipient_does_not_keep_the_mail_from_the_other(tmp_path: Path) -> None:
    server = MoodyServer(recipient_replies={BOB: "550 No such user"})
    with smtp.serving(server) as port:
        async with office(tmp_path, port) as at:
            await at.disable_a_webhook()
            result = await at.sending.has_ended(1)
            assert (result.taken, result.refused) == ((ANN,), (BOB,))
            await at.sends_nothing_more()
            [given_up] = at.daemon.log_lines("mail_undeliverable")
            assert "550 No such user" in given_up["error"]
    assert [envelope.rcpt_tos for envelope in server.taken] == [[ANN]]


@pytest.mark.fault("The SMTP server refuses the message for good (554)", "It is logged and not tried again")
async def test_a_refused_message_is_given_up_and_logged(tmp_path: Path) -> None:
    server = MoodyServer(data_reply="554 Looks like spam")
    with smtp.serving(server) as port:
        async with office(tmp_path, port) as at:
            await at.disable_a_webhook()
            assert (await at.sending.has_ended(1)).refused == (ANN, BOB)
            await at.sends_nothing_more()
            assert len(at.daemon.log_lines("mail_undeliverable")) == 1
    assert server.taken == []


@pytest.mark.fault(
    "The SMTP server greylists: 451 at first, to the recipients or to the message",
    "The mail is tried again and arrives once at each recipient",
)
@pytest.mark.parametrize("at_recipients", [True, False])
async def test_greylisting_delays_the_mail_and_each_recipient_gets_it_once(tmp_path: Path, at_recipients: bool) -> None:
    server = MoodyServer()
    (server.first_recipient_replies if at_recipients else server.first_data_replies).extend(
        ["451 Greylisted, come back later"] * 2
    )
    refusals = 1 if at_recipients else 2  # both recipients of one sending, or two messages
    with smtp.serving(server) as port:
        async with office(tmp_path, port) as at:
            await at.disable_a_webhook()
            for count in range(1, refusals + 1):
                assert (await at.sending.has_ended(count)).deferred == (ANN, BOB)
                await at.later(10_000)
            assert (await at.sending.has_ended(refusals + 1)).taken == (ANN, BOB)
            await at.sends_nothing_more()
    assert [envelope.rcpt_tos for envelope in server.taken] == [[ANN, BOB]]


@pytest.mark.fault(
    "The SMTP server greylists one recipient of two", "Only that one is tried again: the other gets no second mail"
)
async def test_only_the_greylisted_recipient_is_tried_again(tmp_path: Path) -> None:
    server = MoodyServer(first_recipient_replies=["451 Greylisted, come back later"])
    with smtp.serving(server) as port:
        async with office(tmp_path, port) as at:
            await at.disable_a_webhook()
            result = await at.sending.has_ended(1)
            assert (result.taken, result.deferred) == ((BOB,), (ANN,))
            await at.later(5_000)
            assert (await at.sending.has_ended(2)).taken == (ANN,)
            await at.sends_nothing_more()
    assert [envelope.rcpt_tos for envelope in server.taken] == [[BOB], [ANN]]
    assert len(set(server.message_ids)) == 1


@pytest.mark.fault(
    "The SMTP server takes a mail and drops the connection before it says so",
    "The mail is sent again under the same Message-ID, so that the mailbox can drop the second one",
)
async def test_a_mail_without_an_answer_is_sent_again_under_the_same_message_id(tmp_path: Path) -> None:
    server = MoodyServer(hang_ups=1)
    with smtp.serving(server) as port:
        async with office(tmp_path, port) as at:
            await at.disable_a_webhook()
            assert (await at.sending.has_ended(1)).deferred == (ANN, BOB)
            await at.later(5_000)
            assert (await at.sending.has_ended(2)).taken == (ANN, BOB)
            await at.sends_nothing_more()
    assert len(server.taken) == 2
    assert len(set(server.message_ids)) == 1


@pytest.mark.fault(
    "SIGKILL between the mail server's taking a mail and the commit that says so",
    "After the restart it is sent again under the same Message-ID",
)
@ends_within(40)
async def test_a_kill_between_sending_and_marking_sends_the_same_mail_again(tmp_path: Path) -> None:
    server = MoodyServer()
    server.gate.clear()
    with smtp.serving(server) as port:
        settings = {"host": "127.0.0.1", "port": port, "security": "none", "from": "hooks@example.com"}
        installation = make_installation(tmp_path, {"smtp": settings, "delivery": QUICK})
        try:
            async with operated(installation) as operator, open_receiver(respond(503)) as receiver:
                await operator.make_team("acme", ANN, BOB)
                await operator.make_webhook(receiver.url)
                await operator.submit(1)
                await in_thread(server.arrived)
                await operator.daemon.kill()
            server.gate.set()
            async with operated(installation) as operator:
                await operator.daemon.logged("mail_sent")
        finally:
            server.gate.set()
            installation.close()
    assert [envelope.rcpt_tos for envelope in server.taken] == [[ANN, BOB]] * 2
    assert len(set(server.message_ids)) == 1


async def in_thread(event: threading.Event) -> None:
    """Wait for something that happens in the mail server's thread."""
    assert await trio.to_thread.run_sync(event.wait, 20)
