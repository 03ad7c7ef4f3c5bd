"""The running endpoint actors: started on demand, restarted after a crash, parked when they keep crashing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import trio

from daemon.actors.interruptible_wait import Pause
from daemon.actors.supervisor import Budget, Child, supervise
from daemon.delivery.endpoint import Endpoint
from daemon.delivery.mailbox import Change, Mailbox
from daemon.delivery.work_queue import FIRST_PAGE, page_size
from daemon.domain.errors import DaemonError, Stopping, StoreUnavailable
from daemon.domain.model import Webhook, Work
from daemon.store.reads import actor_reads
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.telemetry.metrics import ActorKind
from daemon.telemetry.telemetry import Telemetry

_STOPPING = "the daemon is stopping: try again in a moment"
# Enough to keep the readers busy. More would only make the webhooks of a large backlog wait for each other.
_FIRST_LOOKS_AT_ONCE = 16
# A hint may start an actor: this many take a millisecond or two.
_HINTS_PER_YIELD = 10


@dataclass(slots=True)
class _ActorEntry:
    """One webhook's place in the fleet; it outlives its actor's crashes."""

    mailbox: Mailbox = field(default_factory=Mailbox)
    pause: Pause = field(default_factory=Pause)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    parked: bool = False
    lived: bool = False


class MakeEndpoint(Protocol):
    """Creates the actor of one webhook; the shared dependencies are already bound."""

    def __call__(
        self,
        webhook: Webhook,
        page: Sequence[Work],
        *,
        mailbox: Mailbox,
        pause: Pause,
        page_limit: Callable[[], int],
    ) -> Endpoint:
        """Return it, not running yet."""


def _owns_all(_webhook_id: str) -> bool:
    return True


class Fleet:
    """Gives every webhook with work to do its own actor. An idle webhook costs nothing here.

    `on_change` is called for a webhook whose actor crashed: its last change may not have been published. `owns(id)`
    says for which webhooks it delivers; hints for others are dropped. `look` reads a webhook and its first deliveries.
    """

    def __init__(
        self,
        *,
        store: Store,
        telemetry: Telemetry,
        make_endpoint: MakeEndpoint,
        on_change: Callable[[Webhook], None],
        budget: Budget,
        owns: Callable[[str], bool] = _owns_all,
        look: actor_reads.Look = actor_reads.webhook_and_work,
    ) -> None:
        self._store = store
        self._log = telemetry.log
        self._metrics = telemetry.metrics
        self._make_endpoint = make_endpoint
        self._on_change = on_change
        self._budget = budget
        self._owns = owns
        self._read_first = look
        self._ended = trio.lowlevel.ParkingLot()
        self._posts: dict[str, _ActorEntry] = {}
        self._looking: set[str] = set()
        self._look_over = trio.lowlevel.ParkingLot()
        self._nursery: trio.Nursery | None = None
        self._stopped = trio.Event()
        self.started = trio.Event()

    @property
    def alive(self) -> int:
        """How many actors are running."""
        return len(self._posts) - self.parked

    @property
    def parked(self) -> int:
        """How many webhooks are parked because their actor kept crashing."""
        return len(self.parked_webhooks)

    @property
    def parked_webhooks(self) -> list[str]:
        """The ids of these webhooks."""
        return [webhook_id for webhook_id, post in self._posts.items() if post.parked]

    def is_parked(self, webhook_id: str) -> bool:
        """Whether this webhook is parked because its actor kept crashing."""
        post = self._posts.get(webhook_id)
        return post is not None and post.parked

    async def run(self) -> None:
        """Run the actors until told to stop and each has finished its attempt."""
        try:
            async with trio.open_nursery() as self._nursery:
                self.started.set()
                await self._stopped.wait()
                for post in self._posts.values():
                    post.pause.close()
        finally:
            self._nursery = None

    def stop(self) -> None:
        """Let every actor finish its attempt in flight, then end."""
        self._stopped.set()

    async def stop_some(self, chosen: Callable[[str], bool]) -> None:
        """Let the actors of these webhooks finish their attempts in flight and end; wait for that.

        They are no longer owned: nothing starts them again.
        """
        leaving = {webhook_id: post for webhook_id, post in self._posts.items() if chosen(webhook_id)}
        for post in leaving.values():
            post.pause.close()
        await self._until_gone(leaving)

    async def abandon(self) -> None:
        """Cancel every actor, and wait for their ends: none of what they still do counts."""
        posts = dict(self._posts)
        for post in posts.values():
            post.scope.cancel()
        await self._until_gone(posts)

    async def _until_gone(self, posts: Mapping[str, _ActorEntry]) -> None:
        for webhook_id, post in posts.items():
            if post.parked:
                self._posts.pop(webhook_id, None)
            while self._posts.get(webhook_id) is post:
                await self._ended.park()

    def offer(self, webhook_id: str, work: Work) -> None:
        """Pass on a hint about a newly committed delivery; hints for one webhook come in order."""
        self._post(webhook_id).mailbox.offer(work)

    async def offer_all(self, work: Sequence[tuple[str, Work]]) -> None:
        """Pass on hints about many deliveries, each with its webhook's id, yielding to other tasks in between."""
        for place, (webhook_id, made) in enumerate(work, 1):
            self.offer(webhook_id, made)
            if place % _HINTS_PER_YIELD == 0:
                await trio.lowlevel.checkpoint()

    def wake(self, webhook_ids: Iterable[str]) -> None:
        """Make these webhooks' actors check the database: something may be pending."""
        for webhook_id in webhook_ids:
            if self._owns(webhook_id):
                self._post(webhook_id).mailbox.mark_stale()

    async def overtake(self, webhook_id: str) -> None:
        """Like `resume`, where something has a place before what this webhook's actor may have read ahead."""
        await self.resume(webhook_id)
        if (post := self._posts.get(webhook_id)) is not None:
            post.mailbox.mark_overtaken()

    def wake_all(self) -> None:
        """Make all running actors check the database: hints for earlier deliveries may be lost."""
        self.wake(list(self._posts))

    async def resume(self, webhook_id: str) -> None:
        """Wake one webhook of a long list, once few actors are still doing their first read of the database.

        So the first ones can deliver while the others wait, and a long list does not block anyone else.
        """
        while len(self._looking) >= _FIRST_LOOKS_AT_ONCE:
            await self._look_over.park()
        if not self._stopped.is_set():
            self.wake([webhook_id])

    def request_change(self, webhook_id: str, change: Change) -> None:
        """Hand a change to the webhook's actor; a parked one is tried again. A stopping fleet answers Stopping."""
        if self._stopped.is_set():
            change.reply.settle(Stopping(_STOPPING))
            return
        if (post := self._posts.get(webhook_id)) is not None and post.parked:
            post.parked = False
            self._start(webhook_id, post)
        self._post(webhook_id).mailbox.request_change(change)

    def _post(self, webhook_id: str) -> _ActorEntry:
        post = self._posts.get(webhook_id)
        if post is None:
            post = self._posts[webhook_id] = _ActorEntry()
            self._start(webhook_id, post)
        return post

    def _start(self, webhook_id: str, post: _ActorEntry) -> None:
        if self._nursery is None or self._stopped.is_set():
            return  # it is in the database: the next start resumes there
        post.scope = trio.CancelScope()
        self._looking.add(webhook_id)
        # In a context of its own: an actor must not inherit the context of the request that started it.
        Context().run(self._nursery.start_soon, self._supervise, webhook_id, post)

    async def _supervise(self, webhook_id: str, post: _ActorEntry) -> None:
        with post.scope:
            await self._supervise_one(webhook_id, post)
        if (post.pause.closed or post.scope.cancelled_caught) and self._posts.get(webhook_id) is post:
            _answer_all(post.mailbox, Stopping(_STOPPING))
            self._retire(webhook_id)
        self._ended.unpark_all()

    async def _supervise_one(self, webhook_id: str, post: _ActorEntry) -> None:
        live = partial(self._live, webhook_id, post)
        child = Child(ActorKind.ENDPOINT, live, budget=self._budget, webhook_id=webhook_id)
        if await supervise(child, self._log, self._metrics.actor_restarts[ActorKind.ENDPOINT].inc):
            _answer_all(post.mailbox, Stopping(_STOPPING))  # only a stop leaves changes unanswered
        else:
            post.parked = True
            post.mailbox.mark_stale()
            _answer_all(post.mailbox, StoreUnavailable("the webhook's actor keeps crashing: check the log"))
            self._log.error("actor_parked", webhookId=webhook_id)

    async def _live(self, webhook_id: str, post: _ActorEntry) -> None:
        if self._posts.get(webhook_id) is not post:
            return  # it had retired before it crashed: another actor may have taken its place
        try:
            webhook, page = await self._look(webhook_id, post)
        finally:
            self._looking.discard(webhook_id)
            self._look_over.unpark()
        if webhook is None:
            _answer_all(post.mailbox, None)
            self._retire(webhook_id)
        else:
            endpoint = self._make_endpoint(
                webhook, page, mailbox=post.mailbox, pause=post.pause, page_limit=self._page_limit
            )
            await endpoint.run(partial(self._retire, webhook_id))

    async def _look(self, webhook_id: str, post: _ActorEntry) -> tuple[Webhook | None, Sequence[Work]]:
        crashed, post.lived = post.lived, True
        if crashed:
            # Its last write may not be committed yet: wait for that, then read.
            await self._store.writer.settled()
        post.mailbox.mark_stale()
        post.mailbox.mark_fresh()
        read = partial(self._store.reader.fetch_together, self._read_first, webhook_id, FIRST_PAGE)
        webhook, page = await retry_until_available(read, self._log)
        if crashed and webhook is not None:
            self._on_change(webhook)
        return webhook, page

    def _page_limit(self) -> int:
        return page_size(len(self._posts))

    def _retire(self, webhook_id: str) -> None:
        del self._posts[webhook_id]


def _answer_all(mailbox: Mailbox, answer: DaemonError | None) -> None:
    while mailbox.changes:
        mailbox.changes.popleft().reply.settle(answer)
