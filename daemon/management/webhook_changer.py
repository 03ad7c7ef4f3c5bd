"""Who carries out a change to a webhook: the webhook's actor, in this process or in another."""

from collections.abc import Mapping
from typing import Protocol

import trio

from daemon.crypto.idempotency import Once
from daemon.delivery.fleet import Fleet
from daemon.delivery.mailbox import Change, ChangeCommand
from daemon.domain.audit import AuditEntry
from daemon.domain.changes import WebhookChange
from daemon.domain.errors import DaemonError, StoreUnavailable
from daemon.domain.model import Webhook
from daemon.management.kept_answers import KeptAnswers
from daemon.store.commands import Audited, Cancelled, Command

CHANGE_TIMEOUT_S = 20


class WebhookChanger(Protocol):
    """Has changes carried out."""

    async def change(
        self, webhook_id: str, change: WebhookChange, once: Once[Webhook] | None, entry: AuditEntry | None
    ) -> Webhook | None:
        """Change the webhook, and keep the entry, if any; return the webhook as it is then, None if it is gone.

        Its answer is kept for repetitions if the request came with a key (`once`). A caller that is cancelled has the
        change dropped, unless it is being committed already. Raises AnsweredBefore or IdempotencyConflict for a key
        that was used, Stopping, or StoreUnavailable, also when it takes longer than CHANGE_TIMEOUT_S.
        """


async def change_each(changer: WebhookChanger, changes: Mapping[str, WebhookChange]) -> bool:
    """Change these webhooks, by their ids, at the same time; return whether all could be changed now."""
    failed: list[str] = []

    async def change(webhook_id: str, change: WebhookChange) -> None:
        try:
            await changer.change(webhook_id, change, None, entry=None)
        except DaemonError:  # its actor cannot do it now, or the daemon stops
            failed.append(webhook_id)

    async with trio.open_nursery() as nursery:
        for webhook_id, what in changes.items():
            nursery.start_soon(change, webhook_id, what)
    return not failed


class LocalChanger:
    """Has each change carried out by an actor of this process's fleet."""

    def __init__(self, *, fleet: Fleet, kept_answers: KeptAnswers) -> None:
        self._fleet = fleet
        self._kept = kept_answers.kept

    async def change(
        self, webhook_id: str, change: WebhookChange, once: Once[Webhook] | None, entry: AuditEntry | None
    ) -> Webhook | None:
        """See WebhookChanger."""

        def wrap(command: ChangeCommand) -> Command[Cancelled]:
            audited = command if entry is None else Audited(command, entry)
            return self._kept(audited, once, lambda _: command.webhook)

        asked = Change(change, wrap)
        self._fleet.request_change(webhook_id, asked)
        with trio.move_on_after(CHANGE_TIMEOUT_S):
            try:
                return await asked.reply.wait()
            finally:
                asked.abandoned = True
        raise not_in_time()


def not_in_time() -> StoreUnavailable:
    """Return the error of a change that was not carried out within CHANGE_TIMEOUT_S."""
    return StoreUnavailable("the webhook could not be changed in time: try again in a moment")
