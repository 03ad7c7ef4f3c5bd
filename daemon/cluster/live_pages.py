"""Live pages of the console, whichever node shows them and whichever delivers (architecture "Nodes").

Each node says once a second which teams are watched there; the others tell it of changes of these teams only, a few
times a second. Nobody watching costs nothing.
"""

from collections.abc import Iterable

import trio

from daemon.cluster.caller import Caller
from daemon.store import channels
from daemon.telemetry.change_feed import ChangeFeed

_SAY_EVERY_S = 1.0
_WATCHED_FOR_S = 3.0
_TELL_EVERY_S = 0.25
# Beyond these a page shows changes of other nodes when it is loaded again.
_MOST_TEAMS = 500
_MOST_CHANGES = 1_000


class LivePages:
    """Passes on what changes between the pages' feeds of the nodes."""

    def __init__(self, changes: ChangeFeed, caller: Caller) -> None:
        self._changes = changes
        self._caller = caller
        self._watched_until: dict[str, float] = {}
        self._untold: dict[str, None] = {}
        self._wake = trio.Event()

    def published(self, team_id: str, webhook_id: str) -> None:
        """Take note of a change on this node."""
        if team_id in self._watched_until and len(self._untold) < _MOST_CHANGES:
            self._untold[f"{team_id}/{webhook_id}"] = None
            self._wake.set()

    def watched(self, team_ids: Iterable[str]) -> None:
        """Take note of teams that are watched on some node."""
        until = trio.current_time() + _WATCHED_FOR_S
        for team_id in team_ids:
            if team_id in self._watched_until or len(self._watched_until) < _MOST_TEAMS:
                self._watched_until[team_id] = until

    def changed(self, pairs: Iterable[str]) -> None:
        """Show what another node told of."""
        for pair in pairs:
            team_id, _, webhook_id = pair.partition("/")
            self._changes.show(team_id, webhook_id)

    async def run(self) -> None:
        """Say what is watched here, and tell of changes, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._say)
            nursery.start_soon(self._tell)

    async def _say(self) -> None:
        while True:
            self._caller.call(channels.WATCHED, self._changes.watched_teams(_MOST_TEAMS))
            now = trio.current_time()
            self._watched_until = {team_id: until for team_id, until in self._watched_until.items() if until > now}
            await trio.sleep(_SAY_EVERY_S)

    async def _tell(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            untold, self._untold = self._untold, {}
            self._caller.call(channels.LIVE, untold)
            await trio.sleep(_TELL_EVERY_S)
