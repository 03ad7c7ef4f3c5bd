"""The submitter, an actor: submits the operational events of the outbox (contract "Operational webhooks").

What is in the outbox was put there by the transaction that caused it. Here each becomes an event like any other, whose
deliveries the webhooks' actors make. It is accepted under an idempotency key that names its cause, and leaves the
outbox by a later commit: after a crash between the two it is submitted again, and nothing is made twice. One after the
other, so their order is that of their causes, and however many wait, they take no more than a place in the router's
queue.
"""

from collections.abc import Awaitable, Callable
from hashlib import sha256

import trio

from daemon.domain.errors import DaemonError
from daemon.domain.operational_events import OperationalEvent
from daemon.domain.submission import Idempotency, NewEvent, Receipt, Submission
from daemon.operations.payload import MakePayload
from daemon.store.commands import OperationalEventSubmitted
from daemon.store.reads import actor_reads
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

# The scope of their keys: no key of a team's, or of the operator's, is in it.
_SCOPE = "operations"
_RETRIES_S = (1, 2, 4, 8, 16, 32, 60)
_LOOK_EVERY_S = 60  # a commit of which nobody knows whether it happened wakes nobody

Submit = Callable[[Submission], Awaitable[tuple[Receipt, ...]]]


class Submitter:
    """Submits what waits in the outbox, oldest first.

    Run `run()` in a supervised task, and call `wake()` after each commit that puts something there.
    """

    def __init__(self, *, store: Store, telemetry: Telemetry, make_payload: MakePayload) -> None:
        self._store = store
        self._log = telemetry.log
        self._count = telemetry.metrics.operational_events
        self._make_payload = make_payload
        self._woken = trio.Event()

    def wake(self) -> None:
        """Look at the outbox now. Never blocks; call it from the event loop's thread only."""
        self._woken.set()

    async def run(self, submit: Submit) -> None:
        """Submit what waits, by the router's `submit`, until cancelled. Starts with a look at the outbox."""
        failures = 0
        while True:
            self._woken = trio.Event()
            try:
                await self._submit_all(submit)
                failures, sleep_s = 0, _LOOK_EVERY_S
            except DaemonError as error:  # the store is away, the router is full, or the daemon stops
                sleep_s = _RETRIES_S[min(failures, len(_RETRIES_S) - 1)]
                failures += 1
                self._log.warning("operational_events_deferred", error=str(error), retryInMs=sleep_s * 1000)
            with trio.move_on_after(sleep_s):
                await self._woken.wait()

    async def _submit_all(self, submit: Submit) -> None:
        while waiting := await self._store.reader.fetch(actor_reads.waiting_operational_events):
            for event in waiting:
                await self._submit_one(event, submit)

    async def _submit_one(self, event: OperationalEvent, submit: Submit) -> None:
        [receipt] = await submit(self._submission(event))
        await self._store.writer.execute(OperationalEventSubmitted(event.id))
        self._count[event.type].inc()
        self._log.info(
            "operational_event_submitted",
            eventType=event.type,
            eventId=receipt.event_id,
            teamId=event.about_team_id,
            webhookId=event.webhook_id,
            deliveries=receipt.deliveries,
        )

    def _submission(self, event: OperationalEvent) -> Submission:
        # The digest is of the cause: its words may differ after a restart with other settings.
        key = Idempotency(_SCOPE, event.id, sha256(event.id.encode()).digest())
        made = NewEvent(event.team_id, event.type.value, timestamp=event.created_at, body=self._make_payload(event))
        return Submission((made,), key)
