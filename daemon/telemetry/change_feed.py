"""Notifies watchers that something of a team has changed. What has changed is in the database."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

import trio


@dataclass(slots=True, eq=False)
class Follower:
    """A watcher: of one webhook, or (None) of all of a team's."""

    webhook_id: str | None
    _changed: trio.Event = field(default_factory=trio.Event)
    _closed: bool = False

    async def wait(self) -> bool:
        """Wait until something has changed since the last call; return False if no more will follow."""
        await self._changed.wait()
        self._changed = trio.Event()
        return not self._closed

    def wake(self) -> None:
        """Make `wait` return."""
        self._changed.set()

    def close(self) -> None:
        """Make `wait` return False."""
        self._closed = True
        self._changed.set()


class ChangeFeed:
    """Costs nothing without watchers; a slow watcher gets many changes as one.

    `pass_on(team_id, webhook_id)` is told of each change as well.
    """

    def __init__(self) -> None:
        self.pass_on: Callable[[str, str], object] | None = None
        self._followers: dict[str, set[Follower]] = defaultdict(set)
        self._closed = False

    @property
    def followers(self) -> int:
        """How many watchers there are."""
        return sum(map(len, self._followers.values()))

    def followers_of(self, team_id: str) -> int:
        """How many watch this team."""
        return len(self._followers.get(team_id, ()))

    def watched_teams(self, at_most: int) -> list[str]:
        """Return which teams are watched, at most so many."""
        return list(islice(self._followers, at_most))

    def publish(self, team_id: str, webhook_id: str) -> None:
        """Notify watchers that this webhook or its deliveries have changed."""
        if self.pass_on is not None:
            self.pass_on(team_id, webhook_id)
        self.show(team_id, webhook_id)

    def show(self, team_id: str, webhook_id: str) -> None:
        """Notify watchers of a change that another process made."""
        for follower in self._followers.get(team_id, ()):
            if follower.webhook_id in (None, webhook_id):
                follower.wake()

    @contextmanager
    def follow(self, team_id: str, webhook_id: str | None = None) -> Iterator[Follower]:
        """Watch one webhook of the team, or all of them, within this block."""
        follower = Follower(webhook_id)
        if self._closed:
            follower.close()
        self._followers[team_id].add(follower)
        try:
            yield follower
        finally:
            self._followers[team_id].discard(follower)
            if not self._followers[team_id]:
                del self._followers[team_id]

    def close(self) -> None:
        """Release all watchers, current and future: the daemon is stopping."""
        self._closed = True
        for followers in self._followers.values():
            for follower in followers:
                follower.close()
