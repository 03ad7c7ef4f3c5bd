"""Actors that do not run all the time: one of a kind in the whole cluster, or anew for each life of a node."""

from collections.abc import Awaitable, Callable

import trio

from daemon.cluster.membership import Membership
from daemon.domain.shards import FIRST_SHARD

Run = Callable[[], Awaitable[None]]


def only_on_first_shard(run: Run, membership: Membership) -> Run:
    """Return an actor that runs `run` while this node owns the first shard, and cancels it when it no longer does.

    For a moment two may run: what each writes passes the fence, and mails have a Message-ID of their own.
    """

    async def run_while_owned() -> None:
        while True:
            await membership.wait_until(lambda: FIRST_SHARD in membership.shards)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run)
                await membership.wait_until(lambda: FIRST_SHARD not in membership.shards)
                nursery.cancel_scope.cancel()

    return run_while_owned


def once_a_life(run: Run, membership: Membership) -> Run:
    """Return an actor that runs `run` anew for each life of this node, and cancels it when the life ends."""

    async def run_each_life() -> None:
        while True:
            await membership.wait_until(lambda: membership.node > 0)
            await _run_one_life(run, membership, membership.node)

    return run_each_life


async def _run_one_life(run: Run, membership: Membership, life: int) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await membership.wait_until(lambda: membership.node != life)
        nursery.cancel_scope.cancel()
