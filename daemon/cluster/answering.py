"""The answering actor: has what other nodes ask of this node's webhooks carried out, each request once.

Why once, whatever dies when: `daemon.store.postgresql.requests`. This file only has to try often enough, so it looks
for open requests when it is told of one, when the node comes to own more webhooks, and each second.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import trio
from structlog.typing import FilteringBoundLogger

from daemon.cluster.requests import LOOK_AGAIN_S, Notify, Ownership
from daemon.delivery.mailbox import Change, ChangeCommand
from daemon.domain.changes import change_from_json
from daemon.domain.clock import Clock
from daemon.domain.errors import DaemonError, RequestOver, Stopping, StoreUnavailable
from daemon.domain.model import Webhook
from daemon.management.webhook_changer import CHANGE_TIMEOUT_S
from daemon.store import channels
from daemon.store.postgresql.requests import START, Place, open_requests, refusal
from daemon.store.request_commands import AnswerRequest, Gone, OpenRequest, SettleRequest
from daemon.store.retry import retry_until_available
from daemon.store.store import Store

_AT_ONCE = 100  # requests in hand, and read in one step
_OTHER_VERSION = "the node that has this webhook runs another version, which does not know this change: try again later"


class Answering:
    """`request_change` is the fleet's. One run belongs to one life of the node: cancel it when that life ends."""

    def __init__(
        self,
        *,
        request_change: Callable[[str, Change], None],
        ownership: Ownership,
        store: Store,
        clock: Clock,
        log: FilteringBoundLogger,
        notify: Notify,
    ) -> None:
        self._request_change = request_change
        self._ownership = ownership
        self._reader = store.reader
        self._writer = store.writer
        self._now_ms = clock.now_ms
        self._log = log
        self._notify = notify
        self._in_hand: set[str] = set()
        self._wake = trio.Event()

    def look(self) -> None:
        """Look for requests now: there may be some, or this node owns more webhooks than before."""
        self._wake.set()

    async def run(self) -> None:
        """Answer what is asked, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                self._wake = trio.Event()
                await self._take_open(nursery)
                with trio.move_on_after(LOOK_AGAIN_S):
                    await self._wake.wait()

    async def _take_open(self, nursery: trio.Nursery) -> None:
        """Take requests in hand, in the order in which they were made."""
        place: Place | None = START
        while place is not None and len(self._in_hand) < _AT_ONCE:
            read = partial(self._reader.fetch, open_requests, place, _AT_ONCE)
            requests, place = await retry_until_available(read, self._log)
            for request in requests:
                if request.id not in self._in_hand and self._ownership.owns(request.webhook_id):
                    self._take(nursery, request)

    def _take(self, nursery: trio.Nursery, request: OpenRequest) -> None:
        """Give it to its webhook's actor at once: changes to a webhook are made in the order in which they come."""
        self._in_hand.add(request.id)
        try:
            change = Change(change_from_json(request.change), partial(self._answer_with, request))
        except ValueError:
            nursery.start_soon(self._refuse, request)
        else:
            self._request_change(request.webhook_id, change)
            nursery.start_soon(self._finish, request, change)

    def _answer_with(self, request: OpenRequest, command: ChangeCommand) -> AnswerRequest:
        return AnswerRequest(
            command, request.id, idempotency=request.idempotency, now=self._now_ms(), entry=request.entry
        )

    async def _finish(self, request: OpenRequest, change: Change) -> None:
        try:
            with trio.move_on_after(CHANGE_TIMEOUT_S):
                await self._tell(request, await _result(change))
        finally:
            change.abandoned = True
            self._in_hand.discard(request.id)

    async def _refuse(self, request: OpenRequest) -> None:
        try:
            await self._tell(request, StoreUnavailable(_OTHER_VERSION))
        finally:
            self._in_hand.discard(request.id)

    async def _tell(self, request: OpenRequest, result: Webhook | DaemonError | None) -> None:
        """Tell the asking node the result; one that is not in the database yet is written there first."""
        match result:
            case RequestOver() | Stopping():
                return  # nothing to tell, or the webhook's next owner will
            case None:
                await self._settle(SettleRequest(request.id, Gone()))
            case DaemonError():
                await self._settle(SettleRequest(request.id, refusal(result)))
        self._notify(channels.ANSWERS, request.id)

    async def _settle(self, command: SettleRequest) -> None:
        with suppress(StoreUnavailable):  # it is still open, and will be tried again
            await self._writer.execute(command)


async def _result(change: Change) -> Webhook | DaemonError | None:
    try:
        return await change.reply.wait()
    except DaemonError as error:
        return error
