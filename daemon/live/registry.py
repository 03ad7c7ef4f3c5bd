"""Which live listeners this process has, by their webhooks."""

from collections.abc import Callable

import trio

from daemon.domain.errors import AttemptOver, Stopping
from daemon.domain.live_answers import LiveAnswer
from daemon.live.listener import EndReason, Listener


class Listeners:
    """Owned by the process; a listener is here from before its webhook exists until its stream ends."""

    def __init__(self, new_attempt_id: Callable[[], str]) -> None:
        self._new_attempt_id = new_attempt_id
        self._by_webhook: dict[str, Listener] = {}
        self._closed = False
        self._woken = trio.Event()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._by_webhook)

    def count_of(self, team_id: str) -> int:
        """How many there are of one team."""
        return sum(listener.team_id == team_id for listener in self._by_webhook.values())

    def find(self, webhook_id: str) -> Listener | None:
        """Return the listener of a webhook, None if it has none here."""
        return self._by_webhook.get(webhook_id)

    def add(self, webhook_id: str, team_id: str) -> Listener:
        """Return a new listener for a webhook that is about to be made. Raises Stopping."""
        if self._closed:
            raise Stopping("the daemon is stopping: try again in a moment")
        listener = self._by_webhook[webhook_id] = Listener(webhook_id, team_id, self._new_attempt_id)
        return listener

    def remove(self, listener: Listener) -> None:
        """Forget a listener whose stream has ended; an attempt in flight fails."""
        listener.end(EndReason.CLIENT_LEFT)
        self._by_webhook.pop(listener.webhook_id, None)
        self.wake()

    def wake(self) -> None:
        """Have somebody look for live webhooks without a listener: this process may deliver for more than before."""
        self._woken.set()

    async def until_woken(self) -> None:
        """Wait until there is something to look for."""
        await self._woken.wait()
        self._woken = trio.Event()

    def answer(self, webhook_id: str, answer: LiveAnswer) -> None:
        """Give an answer to the attempt that waits for it. Raises AttemptOver if there is none."""
        listener = self.find(webhook_id)
        if listener is None:
            raise AttemptOver("this listener has ended: its stream is closed")
        listener.answer(answer)

    def end(self, webhook_id: str, reason: EndReason) -> None:
        """End the listener of a webhook, if it has one."""
        if (listener := self.find(webhook_id)) is not None:
            listener.end(reason)

    def end_some(self, chosen: Callable[[str], bool], reason: EndReason) -> None:
        """End the listeners of these webhooks; their streams then remove them."""
        for webhook_id, listener in self._by_webhook.items():
            if chosen(webhook_id):
                listener.end(reason)

    def close(self) -> None:
        """End all, and refuse new ones: the daemon is stopping."""
        self._closed = True
        self.end_some(lambda _: True, EndReason.STOPPING)
