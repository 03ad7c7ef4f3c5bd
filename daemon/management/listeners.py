"""Live listeners: their webhooks are made with their streams and deleted after them (contract "Live listeners").

A live webhook belongs to one stream of one process. Whoever delivers for a live webhook without having its stream
deletes it: after the stream's end, after a restart, and after a node died whose shards another one took. So there is
no list to keep of who listens where.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import trio

from daemon.crypto.signing import generate_secret
from daemon.domain.audit import THE_DAEMON, Actor
from daemon.domain.clock import Clock
from daemon.domain.errors import DaemonError, Stopping
from daemon.domain.live_answers import LiveAnswer
from daemon.domain.model import Webhook
from daemon.live import registry
from daemon.live.listener import EndReason, Listener
from daemon.management.webhooks import Webhooks
from daemon.store.reads import actor_reads
from daemon.store.retry import retry_until_available
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

_AT_ONCE = 100
_TRY_AGAIN_S = 5
# A node has one shard of hundreds at least, or none: with so many ids it misses none of its own.
_MOST_IDS = 5_000

# Gives an answer to the process that has the webhook's listener. Raises AttemptOver, StoreUnavailable.
PassAnswer = Callable[[str, LiveAnswer], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Listening:
    """A stream's listener, its webhook, and the secret that signs its deliveries."""

    listener: Listener
    webhook: Webhook
    secret: str


class LiveListeners:
    """Begins and ends them. `owns(id)` says which webhooks this process delivers for: a live one is always its own.

    `look_every_s` is how often it looks for live webhooks that are left over, without being told to.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        webhooks: Webhooks,
        listeners: registry.Listeners,
        owns: Callable[[str], bool],
        answer: PassAnswer,
        look_every_s: float = math.inf,
    ) -> None:
        self._reader = store.reader
        self._new_id = clock.new_id
        self._log = telemetry.log
        self._webhooks = webhooks
        self._listeners = listeners
        self._owns = owns
        self._look_every_s = look_every_s
        self._ended: set[str] = set()
        self.answer = answer

    @property
    def count(self) -> int:
        """How many listeners this process has."""
        return self._listeners.count

    def count_of(self, team_id: str) -> int:
        """How many of them are a team's."""
        return self._listeners.count_of(team_id)

    @asynccontextmanager
    async def listen(
        self, team_id: str, events: tuple[str, ...], secret: str | None = None, *, by: Actor = THE_DAEMON
    ) -> AsyncIterator[Listening]:
        """Make a live webhook for the time of this block; without a secret one is generated.

        Raises Stopping, also if this process delivers for no webhook, and StoreUnavailable.
        """
        secret = secret or generate_secret()
        listener = self._listeners.add(self._own_id(), team_id)
        try:
            webhook = await self._webhooks.create_live(listener.webhook_id, team_id, events, secret=secret, by=by)
            self._log.info("listener_began", webhookId=webhook.id, teamId=team_id)
            yield Listening(listener, webhook, secret)
        finally:
            self._leave(listener)

    def _own_id(self) -> str:
        for _ in range(_MOST_IDS):
            if self._owns(webhook_id := self._new_id("wh")):
                return webhook_id
        raise Stopping("this node delivers for no webhook right now: try again in a moment")

    def _leave(self, listener: Listener) -> None:
        self._ended.add(listener.webhook_id)
        self._listeners.remove(listener)
        owner = {"webhookId": listener.webhook_id, "teamId": listener.team_id}
        self._log.info("listener_ended", **owner, reason=listener.end_reason or EndReason.CLIENT_LEFT)

    async def run(self) -> None:
        """Delete live webhooks whose streams have ended, until cancelled."""
        while True:
            await self._note_left_over()
            for webhook_id in sorted(self._ended):
                await self._delete(webhook_id)
            with trio.move_on_after(_TRY_AGAIN_S if self._ended else self._look_every_s):
                await self._listeners.until_woken()

    async def _note_left_over(self) -> None:
        """Note the live webhooks of this process that have no stream."""
        behind: str | None = ""
        while behind is not None:
            read = partial(self._reader.fetch, actor_reads.live_webhooks, behind, _AT_ONCE)
            found, behind = await retry_until_available(read, self._log)
            self._ended.update(each for each in found if self._owns(each) and self._listeners.find(each) is None)

    async def _delete(self, webhook_id: str) -> None:
        try:
            await self._webhooks.delete(webhook_id)
        except DaemonError:  # its actor cannot now, or another node will have it: again in a while
            return
        self._ended.discard(webhook_id)
