"""Actors of which one runs in the whole cluster: on the node that owns the first shard."""

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
            await membership.wait_for_shards(lambda shards: FIRST_SHARD in shards)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run)
                await membership.wait_for_shards(lambda shards: FIRST_SHARD not in shards)
                nursery.cancel_scope.cancel()

    return run_while_owned
