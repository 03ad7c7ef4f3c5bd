"""This process as a node: its actors, and what happens in them when shards come and go."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from daemon.cluster.answering import Answering
from daemon.cluster.caller import Caller
from daemon.cluster.feed import Feed
from daemon.cluster.held_credits import HeldCredits
from daemon.cluster.listening import Echo, Heard, Listening
from daemon.cluster.live_answers import ClusterAnswers
from daemon.cluster.live_pages import LivePages
from daemon.cluster.membership import Membership, ShardHooks
from daemon.cluster.requests import ClusterChanger, Requests
from daemon.cluster.silence import hang_up_on_silence
from daemon.cluster.singletons import once_a_life, only_on_first_shard
from daemon.cluster.sweeping import Sweeping
from daemon.delivery.fan_out import FanOuts
from daemon.delivery.fleet import Fleet
from daemon.delivery.pace import Paces
from daemon.delivery.resuming import resume
from daemon.delivery.timers import Timers
from daemon.domain.shards import shard_of
from daemon.live.listener import EndReason
from daemon.live.registry import Listeners
from daemon.store import channels
from daemon.store.shared_store import SharedStore
from daemon.store.store import Store
from daemon.telemetry.metrics import ActorKind
from daemon.telemetry.telemetry import Telemetry

Run = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What makes this process one node of several."""

    membership: Membership
    feed: Feed
    caller: Caller
    live_pages: LivePages
    echo: Echo
    changer: ClusterChanger
    requests: Requests
    answers: ClusterAnswers
    listeners: Listeners
    answering: Answering
    credits: HeldCredits
    fleet: Fleet
    timers: Timers
    paces: Paces
    fan_outs: FanOuts
    shared: SharedStore
    store: Store
    telemetry: Telemetry

    @property
    def vital(self) -> Mapping[ActorKind, Run]:
        """The actors without which the process cannot go on."""
        hooks = ShardHooks(
            on_claimed=self._claimed,
            on_leaving=self._leaving,
            on_released=partial(self.caller.call, channels.SHARDS, ("free",)),
            on_fenced=self._fenced,
        )
        return {ActorKind.MEMBERSHIP: partial(self.membership.run, hooks), ActorKind.FEED: self.feed.run}

    @property
    def patient(self) -> Mapping[ActorKind, Run]:
        """The actors that only save time: what they miss is found in the database."""
        log = self.telemetry.log
        heard: dict[str, Heard] = {
            channels.WAKES: self._wake_own,
            channels.TIMES: lambda times: self.timers.note_time(min(map(int, times))),
            channels.FEED: lambda _: self.feed.wake(),
            channels.WATCHED: self.live_pages.watched,
            channels.LIVE: self.live_pages.changed,
            channels.SHARDS: lambda _: self.membership.look_now(),
            channels.REQUESTS: lambda _: self.answering.look(),
            channels.ANSWERS: self._answered,
        }
        listen = partial(self.shared.listen, channels.ALL)
        return {
            ActorKind.CALLER: self.caller.run,
            ActorKind.SILENCE: partial(hang_up_on_silence, self.shared.hang_up, log),
            ActorKind.LIVE_PAGES: self.live_pages.run,
            ActorKind.ANSWERING: once_a_life(self.answering.run, self.membership),
            **({ActorKind.CREDITS: once_a_life(self.credits.run, self.membership)} if self.credits.enforced else {}),
            ActorKind.LISTENER: Listening(listen, heard, self._look_at_everything, echo=self.echo, log=log).run,
            ActorKind.SWEEPER: Sweeping(self.shared.sweep, self._wake_own, log).run,
        }

    def only_once(self, run: Run) -> Run:
        """Return this actor as one of which the whole cluster has a single one."""
        return only_on_first_shard(run, self.membership)

    async def resume_own(self) -> None:
        """Wake the webhooks of this node's shards that have pending deliveries."""
        await self._claimed(self.membership.shards)

    def _wake_own(self, webhook_ids: Collection[str]) -> None:
        self.fleet.wake(webhook_ids)  # those of others it leaves alone

    def _answered(self, request_ids: Collection[str]) -> None:
        for request_id in request_ids:
            self.requests.answered(request_id)

    def _look_at_everything(self) -> None:
        self.feed.wake()
        self.timers.wake()
        self.membership.look_now()
        self.answering.look()

    async def _claimed(self, shards: Collection[int]) -> None:
        self.answering.look()
        self.paces.look_anew()
        self.timers.wake()
        self.listeners.wake()
        self.fan_outs.begin_all()
        for shard in sorted(shards):
            await resume(partial(self.shared.work_in, shard), self.fleet, self.telemetry.log)

    async def _leaving(self, shards: Collection[int]) -> None:
        self.listeners.end_some(lambda webhook_id: shard_of(webhook_id) in shards, EndReason.MOVED)
        await self.fleet.stop_some(lambda webhook_id: shard_of(webhook_id) in shards)
        await self.store.writer.settled()

    async def _fenced(self) -> None:
        self.listeners.end_some(lambda _: True, EndReason.MOVED)
        await self.fleet.abandon()
        await self.store.writer.settled()
