"""What an engine offers, besides the store itself, to nodes that share its database."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from daemon.store.node_lives import Drained, NodeLife
from daemon.store.nodes import Fence, Listener, News, Registry, Sweep
from daemon.store.reads.actor_reads import Look, ReadPending, WithWork


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedStore:
    """What an engine offers to nodes that share a database; each function may raise StoreUnavailable.

    `version()` is that of what nodes keep in memory; `news_since(version)` says what has changed after it.
    `work_in(shard, behind, look_at)` and `sweep(behind_seq)` find webhooks with pending deliveries. `look` is what an
    actor begins with, `read_pending` what it goes on with. `notify(notices)` calls out, pairs of a channel and a
    payload; `listen(channels)` hears what others call, the first channel's for our own echo. `lives()` are the nodes as
    people are shown them, and `begin_draining(name)` has one give its work to the others. `pay_from_holds()` has all
    that is charged from now on taken from what this node holds of teams' credits, too. `doubtful_commits()` are those
    whose answer was lost; `hang_up()` ends what waits for a server that has fallen silent, and returns how many did; it
    does not block. `key_in_use()` is the fingerprint of the key that seals secrets.
    """

    fence: Fence
    registry: Registry
    look: Look
    read_pending: ReadPending
    version: Callable[[], Awaitable[int]]
    news_since: Callable[[int], Awaitable[News]]
    work_in: Callable[[int, str, int], Awaitable[WithWork]]
    sweep: Callable[[int], Awaitable[Sweep]]
    notify: Callable[[Sequence[tuple[str, str]]], Awaitable[None]]
    lives: Callable[[], Awaitable[Sequence[NodeLife]]]
    begin_draining: Callable[[str], Awaitable[Drained]]
    pay_from_holds: Callable[[], None]
    doubtful_commits: Callable[[], int]
    hang_up: Callable[[], int]
    key_in_use: Callable[[], Awaitable[str | None]]
    listen: Callable[[Sequence[str]], AbstractAsyncContextManager[Listener]]
