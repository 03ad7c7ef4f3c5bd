"""Commits what follows from an attempt, then reports it (architecture "How an event flows", 6)."""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import structs

from daemon.actors.reply import Reply
from daemon.delivery.reporting import DeliveryLog
from daemon.domain.clock import Clock
from daemon.domain.lifecycle import Verdict, after_verdict, failed_deliveries, operational_news, recovers
from daemon.domain.model import Attempt, DeliveryStatus, Webhook, Work
from daemon.domain.policy import Policy, policy_of
from daemon.store.commands import RecordAttempt, Recorded
from daemon.store.retry import retry_until_available
from daemon.store.store import Store


@dataclass(slots=True, eq=False)
class Recording:
    """An outcome on its way to disk: of which delivery, on the webhook as it was, and the command with its reply."""

    webhook: Webhook
    work: Work
    command: RecordAttempt
    reply: Reply[Recorded]


class OutcomeRecorder:
    """One for all endpoint actors.

    `on_change` is called for a webhook that was disabled, `on_mail` when emails about it were queued:
    one goes to `operator_address()`, as it is at that moment; if it is empty, none. `on_news` is called when
    operational webhooks are told, `on_aside` when a delivery waits aside, until this time (ms).
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        log: DeliveryLog,
        policy: Policy,
        on_change: Callable[[Webhook], None],
        on_mail: Callable[[], None],
        on_news: Callable[[], None],
        on_aside: Callable[[int], None],
        operator_address: Callable[[], str],
        exhausted_below: int | None,
        on_cancellations_left: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._policy = policy
        self._on_change = on_change
        self._on_mail = on_mail
        self._on_news = on_news
        self._on_aside = on_aside
        self._operator_address = operator_address
        self._exhausted_below = exhausted_below
        self._on_cancellations_left = on_cancellations_left

    async def record(
        self, webhook: Webhook, work: Work, *, attempt: Attempt, verdict: Verdict, others_in_flight: tuple[int, ...]
    ) -> Webhook:
        """Commit an attempt with all that follows from it, then report it; return the updated webhook.

        If the webhook is disabled, these others, by their `seq`, are not cancelled.
        """
        recording = self.begin(webhook, work, attempt=attempt, verdict=verdict, others_in_flight=others_in_flight)
        return await self.finish(recording)

    def begin(
        self,
        webhook: Webhook,
        work: Work,
        *,
        attempt: Attempt,
        verdict: Verdict,
        within_s: float = 0,
        others_in_flight: tuple[int, ...] = (),
    ) -> Recording:
        """Send an attempt, with all that follows from it, on its way to disk; what is begun first is there first.

        It may wait for `within_s` seconds for a commit that it can share.
        """
        command = self._command(webhook, work, attempt=attempt, verdict=verdict, now=self._clock.now_ms())
        if others_in_flight:
            command = structs.replace(command, others_in_flight=others_in_flight)
        return Recording(webhook, work, command=command, reply=self._commit(command, within_s))

    async def finish(self, recording: Recording) -> Webhook:
        """Wait until it is committed, then tell; return the webhook as it is then.

        It retries while the store fails: its command is safe to repeat.
        """
        command = recording.command
        verdict = command.verdict
        recorded = await self._committed(recording)
        webhook = after_verdict(recording.webhook, verdict, command.now)
        self._log.attempt_ended(webhook, recording.work, attempt=command.attempt, verdict=verdict)
        if verdict.disable:
            await self._report_disabled(webhook, recorded)
        elif recorded.mails:
            self._report_mails(webhook, recorded)
        if recorded.told:
            self._on_news()
        if verdict.steps_aside and command.next_attempt_at is not None:
            self._on_aside(command.next_attempt_at)
        return webhook

    async def _committed(self, recording: Recording) -> Recorded:
        begun = [recording.reply]

        async def step() -> Recorded:
            reply = begun.pop() if begun else self._commit(recording.command)
            return await reply.wait()

        return await retry_until_available(step, self._log.log)

    def _commit(self, command: RecordAttempt, within_s: float = 0) -> Reply[Recorded]:
        then = self._after_disabling if command.verdict.disable else None
        return self._store.writer.begin(command, then, within_s)

    def _command(self, webhook: Webhook, work: Work, *, attempt: Attempt, verdict: Verdict, now: int) -> RecordAttempt:
        new_id, is_recovery = self._clock.new_id, recovers(webhook, verdict)
        is_news = is_recovery or verdict.status is DeliveryStatus.FAILED or verdict.retry_in_s is not None
        return RecordAttempt(
            webhook_id=webhook.id,
            team_id=webhook.team_id,
            delivery_id=work.delivery_id,
            seq=work.seq,
            attempt=attempt,
            failures_before=webhook.consecutive_failures,
            verdict=verdict,
            next_attempt_at=None if verdict.retry_in_s is None else now + round(verdict.retry_in_s * 1000),
            charge=self._log.price_of(webhook),
            now=now,
            entry_id=new_id("crd") if verdict.status is DeliveryStatus.SUCCEEDED else None,
            mail_id=new_id("mail") if verdict.disable or is_recovery else None,
            failures_shown=self._failures_shown(webhook, verdict) if verdict.disable else 0,
            operator_address=self._operator_address() if verdict.disable else "",
            exhausted_below=self._exhausted_below,
            recovered_from=webhook.recovering_since if is_recovery else None,
            news=operational_news(webhook, verdict) if is_news else None,
        )

    def _failures_shown(self, webhook: Webhook, verdict: Verdict) -> int:
        return failed_deliveries(policy_of(self._policy, webhook.options), verdict.consecutive_failures)

    async def _report_disabled(self, webhook: Webhook, recorded: Recorded) -> None:
        self._on_change(webhook)
        await self._log.webhook_disabled(webhook, recorded)
        self._report_mails(webhook, recorded)

    def _report_mails(self, webhook: Webhook, recorded: Recorded) -> None:
        if recorded.mails:
            self._on_mail()
        self._log.mails_queued(webhook, recorded.mails)

    def _after_disabling(self, recorded: Recorded) -> None:
        if recorded.cancelled.more:
            self._on_cancellations_left()
