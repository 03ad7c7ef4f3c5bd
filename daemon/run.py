"""Start order and stop order (architecture "Supervision and stopping")."""

import math
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

import trio

from daemon.actors.supervisor import Budget, Child, supervise, supervise_vital
from daemon.telemetry.metrics import ActorKind
from daemon.wiring import Daemon

_STORE_DRAIN_S = 10
# Nothing depends on these at once: they are retried for ever, at last once a minute.
_PATIENT = Budget(restarts=1_000_000_000, last_backoff_s=60)
# A crash in a commit, or right after it, leaves in doubt what is on disk, and the daemon's memory may be behind it:
# only a fresh start brings the two together.
_NO_RESTART = Budget(restarts=0)
_USUAL = Budget()


@dataclass(frozen=True, slots=True)
class _Task:
    """A task that can be waited for and, when it is too slow, cancelled."""

    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    done: trio.Event = field(default_factory=trio.Event)

    async def run(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            with self.scope:
                await work()
        finally:
            self.done.set()

    async def end(self) -> None:
        self.scope.cancel()
        await self.done.wait()


async def run_daemon(
    daemon: Daemon,
    serve_api: Callable[[], Awaitable[None]],
    ready: trio.Event,
    stop: trio.Event,
    grace_s: float = math.inf,
) -> None:
    """Run all actors and the API until `stop` is set and the stop is over: at most `grace_s` and the store's drain.

    Sets `ready` when submissions are taken. `serve_api` must end soon after `stop`, with its requests answered.
    Raises ActorFailed, in a group, when the store crashed, or the router spent its budget.
    """
    with closing(daemon.validator):
        await _run(daemon, serve_api, ready=ready, stop=stop, grace_s=grace_s)


async def _run(
    daemon: Daemon,
    serve_api: Callable[[], Awaitable[None]],
    *,
    ready: trio.Event,
    stop: trio.Event,
    grace_s: float,
) -> None:
    store, fleet, router, api = _Task(), _Task(), _Task(), _Task()
    upkeep = [_Task() for _ in _patient_actors(daemon)]
    membership = [_Task() for _ in _membership_actors(daemon)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run, _vital(daemon, ActorKind.STORE, run=daemon.store.writer.run, budget=_NO_RESTART))
        nursery.start_soon(fleet.run, daemon.fleet.run)
        await daemon.fleet.started.wait()
        for task, member in zip(membership, _membership_actors(daemon), strict=True):
            nursery.start_soon(task.run, member)
        nursery.start_soon(router.run, _vital(daemon, ActorKind.ROUTER, daemon.router.run))
        for task, actor in zip(upkeep, _patient_actors(daemon), strict=True):
            nursery.start_soon(task.run, actor)
        nursery.start_soon(api.run, serve_api)
        ready.set()
        await stop.wait()
        # At once, beside the API's requests in flight: what these still submit stays pending for the next start.
        daemon.fleet.stop()
        if daemon.node is not None:
            daemon.node.membership.drain()
        daemon.telemetry.changes.close()
        daemon.listeners.close()
        with trio.move_on_after(grace_s):
            await api.done.wait()
            daemon.router.close()
            await router.done.wait()
            await fleet.done.wait()
        for task in (api, router, fleet, *upkeep):  # before the store closes: what it refuses, they would try again
            await task.end()
        daemon.store.writer.close()
        with trio.move_on_after(_STORE_DRAIN_S):
            await store.done.wait()
        for task in membership:
            await task.end()
        if daemon.node is not None:
            await daemon.node.membership.leave()
        nursery.cancel_scope.cancel()


def _vital(
    daemon: Daemon, kind: ActorKind, run: Callable[[], Awaitable[None]], budget: Budget = _USUAL
) -> Callable[[], Awaitable[None]]:
    return partial(
        supervise_vital,
        Child(kind, run, budget),
        daemon.telemetry.log,
        daemon.telemetry.metrics.actor_restarts[kind].inc,
    )


def _membership_actors(daemon: Daemon) -> list[Callable[[], Awaitable[None]]]:
    """Return what runs until the store is drained: what it still writes needs a life."""
    if daemon.node is None:
        return []
    return [_vital(daemon, kind, run, budget=_NO_RESTART) for kind, run in daemon.node.vital.items()]


def _patient_actors(daemon: Daemon) -> list[Callable[[], Awaitable[bool]]]:
    log, restarts = daemon.telemetry.log, daemon.telemetry.metrics.actor_restarts
    return [
        partial(supervise, Child(kind, run, _PATIENT), log, restarts[kind].inc) for kind, run in daemon.upkeep.items()
    ]
