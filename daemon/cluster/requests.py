"""Asking the node that owns a webhook to change it (theory of operation: `daemon.store.postgresql.requests`)."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

import trio
from structlog.typing import FilteringBoundLogger

from daemon.crypto.idempotency import Once
from daemon.domain.audit import AuditEntry
from daemon.domain.changes import WebhookChange
from daemon.domain.clock import Clock
from daemon.domain.errors import (
    AnsweredBefore,
    DaemonError,
    IdempotencyConflict,
    NothingDue,
    Stopping,
    StoreUnavailable,
    WebhookInactive,
)
from daemon.domain.model import Webhook
from daemon.management.webhook_changer import CHANGE_TIMEOUT_S, WebhookChanger, not_in_time
from daemon.store import channels
from daemon.store.postgresql.requests import answer_of
from daemon.store.request_commands import (
    AskRequest,
    Changed,
    Gone,
    KeepAnswer,
    Refused,
    RequestAnswer,
    WithdrawRequest,
)
from daemon.store.retry import retry_until_available
from daemon.store.store import Store

# What is told is the id of a request. Both sides also look by themselves: a word may get lost.
LOOK_AGAIN_S = 1.0
# Withdrawing takes one commit; whoever waits for it has waited for long already.
_WITHDRAW_S = 2.0
# The errors that another node may answer, by name; any other is shown as the first.
_ERRORS: dict[str, type[DaemonError]] = {
    kind.__name__: kind for kind in (StoreUnavailable, AnsweredBefore, IdempotencyConflict, WebhookInactive, NothingDue)
}

# Tells all nodes something, by channel, some time after the commit; never waits, and may get lost.
Notify = Callable[[str, str], None]
# Returns the command that keeps an answer whose key is kept already (`KeptAnswers.keeping`).
Keeping = Callable[[Once[Webhook], Webhook], KeepAnswer]


class Ownership(Protocol):
    """Which webhooks are this node's."""

    @property
    def node(self) -> int:
        """The number of this node's life."""

    def owns(self, webhook_id: str) -> bool:
        """Whether this node owns the webhook's shard."""


class ClusterChanger:
    """Has each change carried out by the node that owns the webhook: a `WebhookChanger`."""

    def __init__(
        self,
        *,
        local: WebhookChanger,
        ownership: Ownership,
        store: Store,
        clock: Clock,
        log: FilteringBoundLogger,
        notify: Notify,
        keeping: Keeping,
    ) -> None:
        self._local = local
        self._ownership = ownership
        self._reader = store.reader
        self._writer = store.writer
        self._new_id = clock.new_id
        self._log = log
        self._notify = notify
        self._keeping = keeping
        self._waiting: dict[str, trio.Event] = {}

    async def change(
        self, webhook_id: str, change: WebhookChange, once: Once[Webhook] | None, entry: AuditEntry | None
    ) -> Webhook | None:
        """See WebhookChanger."""
        if self._ownership.owns(webhook_id):
            try:
                return await self._local.change(webhook_id, change, once, entry=entry)
            except Stopping:  # nothing was changed, and another node may own it by now
                if self._ownership.owns(webhook_id):
                    raise
        return await self._changed(await self._ask(webhook_id, change, once, entry=entry), once)

    @property
    def waiting(self) -> int:
        """How many changes wait for another node."""
        return len(self._waiting)

    def answered(self, request_id: str) -> None:
        """Take note that a request was answered, maybe one of this node."""
        if (waiting := self._waiting.get(request_id)) is not None:
            waiting.set()

    async def _ask(
        self, webhook_id: str, change: WebhookChange, once: Once[Webhook] | None, entry: AuditEntry | None
    ) -> RequestAnswer:
        request_id, answer = self._new_id("req"), None
        ask = AskRequest(
            request_id,
            webhook_id,
            change,
            idempotency=None if once is None else once.idempotency,
            asked_by=self._ownership.node,
            within_s=CHANGE_TIMEOUT_S,
            entry=entry,
        )
        try:
            with trio.move_on_after(CHANGE_TIMEOUT_S):
                await self._writer.execute(ask)
                self._notify(channels.REQUESTS, request_id)
                answer = await self._answer(request_id)
        finally:
            self._waiting.pop(request_id, None)
            # At once, however this ends: nobody waits any more. It comes after the request, which may not be kept yet.
            withdrawn = self._writer.begin(WithdrawRequest(request_id)) if answer is None else None
        if withdrawn is not None:
            with trio.move_on_after(_WITHDRAW_S):
                answer = await withdrawn.wait()
        if answer is None:
            raise not_in_time()
        return answer

    async def _answer(self, request_id: str) -> RequestAnswer:
        read = partial(self._reader.fetch, answer_of, request_id)
        while True:
            # Before it reads: an answer that comes meanwhile is noticed, too.
            answered = self._waiting[request_id] = trio.Event()
            if (answer := await retry_until_available(read, self._log)) is not None:
                return answer
            with trio.move_on_after(LOOK_AGAIN_S):
                await answered.wait()

    async def _changed(self, answer: RequestAnswer, once: Once[Webhook] | None) -> Webhook | None:
        match answer:
            case Changed(webhook):
                if once is not None:
                    with suppress(StoreUnavailable):  # it was carried out: only repetitions will not get this answer
                        await self._writer.execute(self._keeping(once, webhook))
                return webhook
            case Refused(error, sentence):
                raise _ERRORS.get(error, StoreUnavailable)(sentence)
            case Gone():
                return None
