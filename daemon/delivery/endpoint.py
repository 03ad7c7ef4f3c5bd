"""The endpoint actor: one webhook, its deliveries in order (architecture "How an event flows", 4).

Theory of operation
~~~~~~~~~~~~~~~~~~~

One life of the actor is one `Endpoint.run`. It begins with the webhook's row and its first page of pending deliveries,
read in one snapshot. It ends after being idle for long enough, when told to stop, or with a crash; the fleet starts
the next one. It knows nothing that is not in the database, so a life may end between any two steps.

Three tasks share it:

- the *delivering* task (this file, and `delivering`) takes one delivery after another to its end, one at a time, or, if
  the webhook has it so, several in lanes of their own (`parallel`, where it is told what differs):

      next from the queue
        -> waits out the back-off of an earlier life -> reserves credits -> reads a large body
        -> [ acquires slot and connection -> is in flight: sends -> records the outcome -> waits for its retry ] again
        -> settles the credits

  but after a plain success it goes on while the outcome is on its way to disk: the outcome is *open*;

- the *finishing* task (`open_outcomes`) waits for the commits of open outcomes, in order, tells of them and settles
  their credits;

- the *changing* task (`webhook_changes`) makes the changes that the mailbox brings, while the others do any of this.

What they share is in `EndpointState`, with the lane of the current delivery. These hold:

1. Only the holder of `transition` changes `webhook` or sets `in_flight` to True, and it keeps holding it until the
   store has answered. So an attempt begins before a change is committed or after it, never during it; and the
   rules judge an outcome by the webhook as committed.
2. No attempt, and no wait for a receiver, for credits or for time, holds `transition`: a change waits for the commits
   under way at most, or for as long as the store fails. Nothing else is awaited under it but the log lines of what was
   cancelled. The finishing task never takes it.
3. `current` is set by the delivering task, when it takes a delivery, and unset by the changing task, when a change
   cancels or pauses it. That also ends the current wait. After every wait the delivering task checks `is_due`, and
   leaves alone what is no longer due: it is cancelled in the database already, or stays pending there.
4. A delivery in flight is not dropped: the change leaves its row alone, it may finish, and the rules then decide what
   the outcome means for a disabled webhook, or for an erased event.
5. While the webhook is paused no delivery is due, and none is taken. One that waits is dropped, with what was read
   ahead, and its credits are given back; one in flight may finish, and its retry waits in the database. Nothing of a
   pause is in memory but the webhook: a paused life waits for changes alone, keeps no hints, and ends when it has been
   idle for long enough. What comes next after the pause is read as a new life reads it: a delivery that was begun is
   first. A back-off that is over by then is not waited out again.
6. One that steps aside (`waiting_aside`) is over for this actor, until it is taken back in the database.
7. The next delivery is taken when the outcome of the last one is committed, or open. An open one leaves the webhook as
   it is, and was given to the writer already, which commits in order. Who holds `transition` to change the webhook, to
   record any other outcome or to end the life, waits until none is open; so does the queue before it reads pages, for
   in the database an open one is pending. With the queue's own order (`work_queue`) this is the promise: in order, one
   at a time, also over crashes (architecture "One busy webhook").

Cancellation comes from outside only when the time for a stop is over, or with a crash of another task; the polite
stop is `pause.close()`, which ends waits and lets an attempt finish. It is right at every checkpoint:

- in a wait: nothing has begun; a slot, a place in a queue and reserved credits are given back on the way out;
- in an attempt: nothing is recorded, so it does not count and is made again under the same number;
- in a commit, or with outcomes open: the writer commits or not, on its own. A repeated command does nothing the second
  time, and the next life waits until the writer has answered before it reads (`Fleet._look`).

A crash is the same: what this life had not committed has not happened, but for at most
`MOST_OPEN` POSTs that are then made twice.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import trio

from daemon.actors.interruptible_wait import Pause
from daemon.actors.mutex import Mutex
from daemon.delivery.credit_gate import FREE_OF_CHARGE, Gate
from daemon.delivery.delivering import Delivering
from daemon.delivery.endpoint_state import EndpointState, Lane
from daemon.delivery.mailbox import Mailbox
from daemon.delivery.open_outcomes import OpenOutcomes
from daemon.delivery.outcome_recorder import OutcomeRecorder
from daemon.delivery.pace import Pace, Paces
from daemon.delivery.parallel import Parallel, Turns
from daemon.delivery.reporting import DeliveryLog
from daemon.delivery.sender import Sender
from daemon.delivery.waiting_aside import BackOffs
from daemon.delivery.webhook_changes import WebhookChanges
from daemon.delivery.work_queue import WorkQueue
from daemon.domain.clock import Clock
from daemon.domain.model import Webhook, Work
from daemon.domain.policy import Policy
from daemon.store.reads import actor_reads
from daemon.store.retry import retry_until_available
from daemon.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When retries are made, and after how many seconds an idle actor closes its connection, and ends."""

    policy: Policy
    idle_connection_s: float
    idle_s: float


class Endpoint:
    """One life of one webhook's actor, from the webhook's row and its first page of work as they were at the start."""

    __slots__ = (
        "_changes",
        "_delivering",
        "_gate",
        "_lane",
        "_log",
        "_look",
        "_mailbox",
        "_parallel",
        "_pause",
        "_queue",
        "_read_pages",
        "_reader",
        "_schedule",
        "_state",
        "_turns",
    )

    def __init__(
        self,
        webhook: Webhook,
        page: Sequence[Work],
        *,
        mailbox: Mailbox,
        pause: Pause,
        page_limit: Callable[[], int],
        store: Store,
        clock: Clock,
        log: DeliveryLog,
        schedule: Schedule,
        back_offs: BackOffs,
        gate: Gate,
        paces: Paces,
        recorder: OutcomeRecorder,
        read_pending: actor_reads.ReadPending,
        look: actor_reads.Look = actor_reads.webhook_and_work,
        make_sender: Callable[[Webhook, Pause, Mutex], Sender],
        make_changes: Callable[[EndpointState, Mailbox, WorkQueue], WebhookChanges],
    ) -> None:
        self._mailbox = mailbox
        self._pause = pause
        self._reader = store.reader
        self._read_pages = read_pending
        self._look = look
        self._log = log
        self._schedule = schedule
        self._gate = FREE_OF_CHARGE if webhook.is_free else gate
        make_one = partial(make_sender, webhook, pause, Mutex())
        self._lane = Lane(pause, make_one())
        outcomes = OpenOutcomes(store.writer.hurry)
        self._state = EndpointState(webhook, pause, outcomes, now_ms=clock.now_ms, lanes=[self._lane])
        self._queue = WorkQueue(mailbox, self._read_pending, page_limit, page=page)
        self._changes = make_changes(self._state, mailbox, self._queue)
        self._delivering = Delivering(
            state=self._state,
            queue=self._queue,
            changes=self._changes,
            reader=store.reader,
            clock=clock,
            log=log,
            settings=schedule.policy,
            back_offs=back_offs,
            gate=self._gate,
            pace=Pace(self._state, paces),
            recorder=recorder,
        )
        self._turns = Turns(self._state, self._lane.sender, make_one)
        self._parallel = Parallel(
            self._state, mailbox, self._queue.next, delivering=self._delivering, turns=self._turns
        )

    async def run(self, retire: Callable[[], None]) -> None:
        """Deliver what is pending and what comes, until idle for long enough or the pause is closed.

        Before an idle actor ends it calls `retire`, with nothing in its mailbox and no await in between.
        """
        with closing(self._turns), closing(self):
            # Waiting changes first: a webhook that crashes at every attempt can still be edited or disabled.
            await self._changes.apply_all()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._changes.run)
                nursery.start_soon(self._state.outcomes.run, self._delivering.finish)
                await self._deliver(retire)
                nursery.cancel_scope.cancel()

    def close(self) -> None:
        """Leave what is open to the next life: whether it was charged is not known."""
        for _ in range(len(self._state.outcomes)):
            self._gate.settle(self._state.webhook.team_id, charged=None)

    async def _deliver(self, retire: Callable[[], None]) -> None:
        state, outcomes = self._state, self._state.outcomes
        while not self._pause.closed:
            if state.webhook.options.concurrency > 1:
                await self._deliver_in_parallel()
                work = None
            else:
                await outcomes.below_limit()
                work = None if state.is_paused else await self._queue.next()
            if work is not None:
                outcomes.hurry()
                await self._delivering.process(work, self._lane)
            elif not await self._idle():
                async with self._state.transition:
                    await outcomes.all_committed()
                    if self._has_nothing_to_do:
                        retire()
                        return
        await outcomes.all_committed()

    @property
    def _has_nothing_to_do(self) -> bool:
        return not self._mailbox.changes if self._state.is_paused else self._mailbox.empty

    async def _idle(self) -> bool:
        """Wait for work up to `idle_s`, at first with the connection kept; return whether there may be some."""
        until = self._mailbox.wait_for_work
        if self._state.is_paused:
            self._queue.clear()  # also what was taken and not begun
            until = self._state.wait_until_resumed
        kept_s = min(self._schedule.idle_connection_s, self._schedule.idle_s)
        if await self._pause.wait(kept_s, until):
            return True
        self._turns.close_connections()
        return await self._pause.wait(self._schedule.idle_s - kept_s, until)

    async def _deliver_in_parallel(self) -> None:
        self._lane.current = None
        await self._parallel.deliver()
        self._lane.sender.wait_with(self._pause)

    async def _read_pending(self, limit: int) -> Sequence[Work]:
        if self._parallel.is_on:
            return await self._parallel.read(limit, self._read)
        await self._state.outcomes.all_committed()  # else they are pending, and would be sent again
        return await self._read(limit)

    async def _read(self, limit: int) -> Sequence[Work]:
        if self._state.reads_anew:
            self._state.reads_anew = False
            return await self._first_page(limit)
        read = partial(self._reader.fetch_for_all, self._read_pages, (self._state.webhook.id, limit))
        return await retry_until_available(read, self._log.log)

    async def _first_page(self, limit: int) -> Sequence[Work]:
        read = partial(self._reader.fetch_together, self._look, self._state.webhook.id, limit)
        _, page = await retry_until_available(read, self._log.log)
        return page
