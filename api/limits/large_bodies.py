"""Large request bodies: how many bytes of them are taken in at once, and in which order they are read.

They are read beside the event loop, one at a time, and teams take turns by size. Those that take long have a thread of
their own, so that they do not hold up the others.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from api.limits.sizes import MAX_INLINE_PARSE_BYTES, max_body_bytes
from daemon.actors.fair_lane import FairLane
from daemon.actors.shares import Share
from daemon.actors.threads import RunInThread
from daemon.crypto.api_keys import Principal
from daemon.domain.errors import Overloaded

MAX_BYTES = 64 * 1024 * 1024
_QUICK_BYTES = 1024 * 1024  # bodies up to this are read in less than a tenth of a second
_OPERATOR = ""  # no team has this id

Result = TypeVar("Result")


class Sized(Protocol):
    """The part of a request that says how long its body may become."""

    @property
    def path(self) -> str:
        """Its path."""

    @property
    def headers(self) -> Any:
        """The fields of its head, with their `get`."""

    @property
    def content_length(self) -> int | None:
        """How long its body is, as its head says."""


class LargeBodies:
    """What all requests with large bodies share. A team takes at most half of what the others leave."""

    def __init__(self, run_in_thread: Callable[[], RunInThread], max_bytes: int = MAX_BYTES) -> None:
        self._share = Share(max_bytes)
        self._quick, self._slow = FairLane(run_in_thread()), FairLane(run_in_thread())

    def room(self, request: Sized, principal: Principal) -> "Room":
        """Return the room of this request's body, which counts as long as the room is entered."""
        size = _declared_size(request)
        lane = self._quick if size <= _QUICK_BYTES else self._slow
        return Room(self._share, lane, size=size, team=principal.team_id or _OPERATOR)


class Room:
    """Where one body is read. Entered it gives what runs the work on it."""

    __slots__ = ("_counted", "_lane", "_share", "_size", "_team")

    def __init__(self, share: Share, lane: FairLane, *, size: int, team: str) -> None:
        self._share = share
        self._lane = lane
        self._size = size
        self._team = team
        self._counted = size if size > MAX_INLINE_PARSE_BYTES else 0

    def __enter__(self) -> RunInThread:
        """Raise Overloaded, before anything of the body is read, if it is too much now."""
        if self._counted:
            self._require_room()
            self._share.take(self._team, self._counted)
        return self._run

    def __exit__(self, *_error: object) -> None:
        if self._counted:
            self._share.give_back(self._team, self._counted)

    async def _run(self, work: Callable[[], Result], /) -> Result:
        return await self._lane.run(self._team, self._size, work)

    def _require_room(self) -> None:
        fits = self._share.taken + self._counted <= self._share.limit
        if not (fits and (self._team == _OPERATOR or self._share.fits(self._team, self._counted))):
            raise Overloaded("too many bytes of large requests are being read: send it again in a moment")


def _declared_size(request: Sized) -> int:
    """Return how long the body may become, in bytes: what the head says, up to what its path takes."""
    limit = max_body_bytes(request.path)
    if request.headers.get("Transfer-Encoding"):
        return limit
    return min(request.content_length or 0, limit)
