"""When a webhook's next attempt may begin, if it has a pace (contract "Options of a webhook", `maxPerSecond`).

Attempts are spaced from begin to begin, so nothing is saved up while a webhook is idle. When the last one began is kept
here beyond the actor's life, for as long as it counts. What began before this process, or before it took over a shard,
is not known: it is taken to have begun at that moment.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from daemon.actors.mutex import Mutex
from daemon.delivery.endpoint_state import EndpointState, Lane
from daemon.domain.model import Work
from daemon.domain.webhook_options import LEAST_PER_SECOND

_LONGEST_SPACE_S = 1 / LEAST_PER_SECOND


class Paces:
    """Of all webhooks of this process."""

    def __init__(self) -> None:
        self._known_since = trio.current_time()
        self._began: dict[str, float] = {}  # the longest ago first
        self.waiting = 0

    def __len__(self) -> int:
        """Of how many webhooks it is known when their last attempt began."""
        return len(self._began)

    def look_anew(self) -> None:
        """Take note that this process delivers for webhooks whose last attempts it does not know."""
        self._known_since = trio.current_time()

    def left_s(self, webhook_id: str, per_second: float) -> float:
        """Return for how many seconds the webhook's next attempt may not begin yet."""
        began = self._began.get(webhook_id, self._known_since)
        return max(0.0, began + 1 / per_second - trio.current_time())

    def begun(self, webhook_id: str) -> None:
        """Take note that an attempt of this webhook begins now."""
        now = trio.current_time()
        self._began.pop(webhook_id, None)
        self._began[webhook_id] = now
        while self._began and now - (oldest := next(iter(self._began.items())))[1] > _LONGEST_SPACE_S:
            del self._began[oldest[0]]

    @contextmanager
    def one_waits(self) -> Iterator[None]:
        """Count a webhook that waits for its pace."""
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1


class Pace:
    """Of one webhook, in one life of its actor. Who holds the `turn` is the next to begin an attempt."""

    __slots__ = ("_paces", "_state", "turn")

    def __init__(self, state: EndpointState, paces: Paces) -> None:
        self._state = state
        self._paces = paces
        self.turn = Mutex()

    async def allows(self, work: Work, lane: Lane) -> bool:
        """Wait until one more attempt may begin; False if the delivery is not due any more."""
        state = self._state
        while state.is_due(work, lane):
            webhook = state.webhook
            per_second = webhook.options.max_per_second
            left_s = 0.0 if per_second is None else self._paces.left_s(webhook.id, per_second)
            if not left_s:
                return True
            with self._paces.one_waits():
                await lane.pause.wait(left_s)
        return False

    def begun(self) -> None:
        """Take note that an attempt begins now."""
        self._paces.begun(self._state.webhook.id)
