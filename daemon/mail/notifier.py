"""The notifier, an actor: sends the mails of the outbox, and retries them (contract "Auto-disable").

Deliveries never wait for it. A mail leaves the outbox by a commit: after a crash between the mail server's reply and
that commit it is sent again, with the same Message-ID.
"""

import math
from collections.abc import Awaitable, Callable

import trio
from structlog.typing import FilteringBoundLogger

from daemon.domain.clock import Clock
from daemon.domain.errors import StoreUnavailable
from daemon.domain.mails import Mail
from daemon.mail.result import Send, SendResult
from daemon.store.commands import Command, MailDeferred, MailSent
from daemon.store.reads import actor_reads
from daemon.store.store import Store
from daemon.telemetry.metrics import MailResult
from daemon.telemetry.telemetry import Telemetry

_FIRST_RETRY_S = 5
_LONGEST_RETRY_S = 15 * 60
_LONGEST_SLEEP_S = 60  # sleeps go by Trio's clock and due times by the wall clock, which may change meanwhile
_STORE_RETRIES_S = (1, 2, 4, 8, 16, 32, 60)
_RECORDING_GRACE_S = 5


WithLink = Callable[[Mail], Awaitable[Mail]]


async def unchanged(mail: Mail) -> Mail:
    """Return the mail, which has no link."""
    return mail


class Notifier:
    """Sends the mails of the outbox, oldest first, each until every recipient has accepted or permanently refused it.

    `with_link` gives a mail its link, if it has one, and `send` makes one attempt. Run `run()` in a supervised task,
    and call `wake()` after each commit that queues a mail.
    """

    def __init__(
        self, *, store: Store, clock: Clock, telemetry: Telemetry, send: Send, with_link: WithLink = unchanged
    ) -> None:
        self._store = store
        self._now_ms = clock.now_ms
        self._log = telemetry.log
        self._metrics = telemetry.metrics
        self._send = send
        self._with_link = with_link
        self._woken = trio.Event()

    def wake(self) -> None:
        """Check the outbox now: a mail was queued. Never blocks; call it from the event loop's thread only."""
        self._woken.set()

    async def run(self) -> None:
        """Send what is due until cancelled. Starts with a check of the outbox, so a start needs no `wake`."""
        store_failures = 0
        while True:
            self._woken = trio.Event()
            try:
                sleep_s = await self._send_due()
                store_failures = 0
            except StoreUnavailable:  # the store logs it
                sleep_s = _store_retry_s(store_failures)
                store_failures += 1
            with trio.move_on_after(sleep_s):
                await self._woken.wait()

    async def _send_due(self) -> float:
        """Send the mails that are due; return after how many seconds to check again."""
        now, due_at = self._now_ms(), await self._store.reader.fetch(actor_reads.next_mail_at)
        if due_at is None:
            return _LONGEST_SLEEP_S
        wait_s = (due_at - now) / 1000
        # A due time further away than the longest back-off means that the wall clock was set back: do not wait for it.
        if 0 < wait_s <= _LONGEST_RETRY_S:
            return min(wait_s, _LONGEST_SLEEP_S)
        for mail in await self._store.reader.fetch(actor_reads.due_mails, max(now, due_at)):
            await self._attempt(mail)
        return 0

    async def _attempt(self, mail: Mail) -> None:
        started = trio.current_time()
        result = await self._try_to_send(await self._with_link(mail))
        command = self._command_for(mail, result)
        await self._record(command)
        self._report(mail, result, command=command, duration_ms=round((trio.current_time() - started) * 1000))

    async def _try_to_send(self, mail: Mail) -> SendResult:
        if not mail.recipients:
            return SendResult(error="the team has no notification address: set notificationEmails on the team")
        try:
            return await self._send(mail)
        except Exception as error:  # a mail that crashes the sender must not hold up the mails behind it
            log = _bound(self._log, mail)
            log.error("mail_crashed", error=repr(error), exc_info=error)
            return SendResult(deferred=mail.recipients, error=f"the sender crashed: {error!r}")

    def _command_for(self, mail: Mail, result: SendResult) -> MailSent | MailDeferred:
        now = self._now_ms()
        if not result.deferred:
            return MailSent(mail.id, now, result.error)
        next_attempt_at = now + retry_delay_s(mail.attempts_made) * 1000
        return MailDeferred(
            mail_id=mail.id,
            recipients=result.deferred,
            attempts_made=mail.attempts_made + 1,
            next_attempt_at=next_attempt_at,
            error=result.error or "",
        )

    async def _record(self, command: MailSent | MailDeferred) -> None:
        """Commit the result, however long the store fails: otherwise the mail would be sent a second time.

        A stop waits at most 5 s for it.
        """
        with trio.move_on_after(_RECORDING_GRACE_S, shield=True):
            await self._execute_until_done(command)
            return
        await self._execute_until_done(command)

    async def _execute_until_done(self, command: Command[None]) -> None:
        failures = 0
        while True:
            try:
                await self._store.writer.execute(command)
                return
            except StoreUnavailable:
                await trio.sleep(_store_retry_s(failures))
                failures += 1

    def _report(self, mail: Mail, result: SendResult, command: MailSent | MailDeferred, duration_ms: int) -> None:
        log = _bound(self._log, mail)
        if result.taken:
            self._metrics.mails[MailResult.SENT].inc()
            log.info("mail_sent", recipients=len(result.taken), durationMs=duration_ms)
        if result.refused or not mail.recipients:
            self._metrics.mails[MailResult.GIVEN_UP].inc()
            log.error("mail_undeliverable", recipients=len(result.refused), error=result.error)
        if isinstance(command, MailDeferred):
            self._metrics.mails[MailResult.DEFERRED].inc()
            log.warning(
                "mail_deferred",
                recipients=len(result.deferred),
                attempt=command.attempts_made,
                retryInMs=retry_delay_s(mail.attempts_made) * 1000,
                error=result.error,
            )


def retry_delay_s(attempts_made: int) -> int:
    """Return the seconds until the next attempt after a failure: 5, 10, 20, … up to 15 minutes."""
    doublings = min(attempts_made, math.ceil(math.log2(_LONGEST_RETRY_S / _FIRST_RETRY_S)))
    return min(_FIRST_RETRY_S << doublings, _LONGEST_RETRY_S)


def _store_retry_s(failures: int) -> int:
    return _STORE_RETRIES_S[min(failures, len(_STORE_RETRIES_S) - 1)]


def _bound(log: FilteringBoundLogger, mail: Mail) -> FilteringBoundLogger:
    return log.bind(mailId=mail.id, webhookId=mail.webhook_id, teamId=mail.team_id)
