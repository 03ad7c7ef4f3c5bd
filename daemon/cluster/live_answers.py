"""Passes the answers of live listeners on to the node that has their streams.

A stream is on the node that owns its webhook, and an answer comes to whichever node a load balancer chose.
"""

from daemon.cluster.requests import Ownership, Requests, error_of
from daemon.domain.errors import AttemptOver
from daemon.domain.live_answers import LiveAnswer
from daemon.live.registry import Listeners
from daemon.store.request_commands import Passed, Refused


class ClusterAnswers:
    """Gives each answer to the attempt that waits for it, here or elsewhere."""

    def __init__(self, *, listeners: Listeners, ownership: Ownership, requests: Requests) -> None:
        self._listeners = listeners
        self._ownership = ownership
        self._requests = requests

    async def pass_on(self, webhook_id: str, answer: LiveAnswer) -> None:
        """Give an answer to its attempt. Raises AttemptOver, StoreUnavailable."""
        if self._ownership.owns(webhook_id):
            self._listeners.answer(webhook_id, answer)
            return
        match await self._requests.ask(webhook_id, answer):
            case Passed():
                return
            case Refused() as refused:
                raise error_of(refused)
            case _:
                raise AttemptOver("this listener has ended: its stream is closed")
