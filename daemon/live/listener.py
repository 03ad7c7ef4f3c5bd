"""A live listener: a stream of the API that takes the attempts of one webhook, one at a time.

Two tasks meet here. The webhook's actor hands over a request and waits for its answer (`exchange`). The stream takes
it (`next`), writes it to its client, and comes back for another. The answer comes by a request of its own (`answer`).
Nothing queues: there is one request at most, which its actor holds as well. A client that does not read keeps its
stream from coming back, and the next attempt does not begin (`until_taking`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import trio

from daemon.domain.errors import AttemptOver
from daemon.domain.live_answers import LiveAnswer
from daemon.egress.errors import ConnectionBroken, DeadlinePassed, NotPermitted
from daemon.egress.post import Post, parsed_fields

_OVER = "no attempt with this id waits for an answer: it was answered, or its time is over"


class EndReason(StrEnum):
    """Why a listener has ended."""

    CLIENT_LEFT = "client_left"
    KEY_REVOKED = "key_revoked"
    WEBHOOK_DELETED = "webhook_deleted"
    MOVED = "moved"
    STOPPING = "stopping"


# Of our own making: an attempt that they cut short does not count.
_NOT_THE_CLIENTS = frozenset({EndReason.MOVED, EndReason.STOPPING})


@dataclass(slots=True, eq=False)
class LiveRequest:
    """One attempt's request, with the time (Trio's clock) until which its answer counts."""

    attempt_id: str
    post: Post
    deadline: float
    answer: LiveAnswer | None = None
    over: trio.Event = field(default_factory=trio.Event)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The header fields, in their order."""
        return parsed_fields(self.post.fields)

    @property
    def body(self) -> bytes:
        """The event as it was accepted: JSON in UTF-8."""
        return self.post.body


class Listener:
    """What a stream and its webhook's actor share. `new_attempt_id` makes ids that were never used."""

    def __init__(self, webhook_id: str, team_id: str, new_attempt_id: Callable[[], str]) -> None:
        self.webhook_id = webhook_id
        self.team_id = team_id
        self.end_reason: EndReason | None = None
        self._new_attempt_id = new_attempt_id
        self._current: LiveRequest | None = None
        self._untaken: LiveRequest | None = None
        self._is_taking = False
        self._handed_over = trio.lowlevel.ParkingLot()
        self._taking = trio.lowlevel.ParkingLot()

    async def next(self) -> LiveRequest | None:
        """Wait for a request to write to the client; None once the listener has ended. A cancelled wait loses none."""
        self._is_taking = True
        self._taking.unpark_all()
        try:
            while self._untaken is None and self.end_reason is None:
                await self._handed_over.park()
        finally:
            self._is_taking = False
        taken, self._untaken = self._untaken, None
        return None if self.end_reason else taken

    async def until_taking(self) -> None:
        """Wait until the stream has written what it took and waits for more. It never does once it has ended."""
        while not self._is_taking:
            await self._taking.park()

    async def exchange(self, post: Post, deadline: float) -> LiveAnswer:
        """Hand a request over and wait for its answer.

        Raises DeadlinePassed, ConnectionBroken if the client or its webhook is gone, and NotPermitted if this process
        gave the listener up.
        """
        request = self._current = self._untaken = LiveRequest(self._new_attempt_id(), post, deadline)
        self._handed_over.unpark_all()
        try:
            with trio.CancelScope(deadline=deadline):
                while request.answer is None and self.end_reason is None:
                    await request.over.wait()
        finally:
            self._current = self._untaken = None
        if request.answer is not None:
            return request.answer
        if self.end_reason is not None:
            raise gone(self.end_reason)
        raise DeadlinePassed

    def answer(self, answer: LiveAnswer) -> None:
        """Give the answer to the attempt that waits for it. Raises AttemptOver if none with its id does."""
        request = self._current
        if request is None or request.attempt_id != answer.attempt_id or request.answer is not None:
            raise AttemptOver(_OVER)
        request.answer = answer
        request.over.set()

    def end(self, reason: EndReason) -> None:
        """Let the stream end, and the attempt in flight fail. Only the first reason counts."""
        if self.end_reason is None:
            self.end_reason = reason
            self._handed_over.unpark_all()
            if self._current is not None:
                self._current.over.set()


def gone(reason: EndReason) -> ConnectionBroken | NotPermitted:
    """Return what becomes of an attempt whose listener has ended for this reason."""
    if reason in _NOT_THE_CLIENTS:
        return NotPermitted("the daemon ended the live listener's stream before it answered")
    return ConnectionBroken("the live listener went away before it answered", detail=reason)
