"""The transport of a live webhook: its POSTs go to its listener's stream (contract "Live listeners")."""

from collections.abc import Callable

import trio

from daemon.egress.errors import NotPermitted
from daemon.egress.post import Post
from daemon.egress.response import Response
from daemon.egress.transport import Transport
from daemon.live.listener import EndReason, gone
from daemon.live.registry import Listeners


class LiveTransport(Transport):
    """Hands each POST to the webhook's listener; what that answers is the response.

    `may_send()` is asked right before a request is handed over.
    """

    def __init__(self, webhook_id: str, listeners: Listeners, may_send: Callable[[], bool] = lambda: True) -> None:
        self._webhook_id = webhook_id
        self._listeners = listeners
        self._may_send = may_send

    async def prepare(self, url: str, team_id: str) -> None:
        """See Transport: the listener's client has to have read what it was sent before.

        A webhook whose listener has ended is about to be deleted, which ends this wait.
        """
        listener = self._listeners.find(self._webhook_id)
        if listener is None:
            await trio.sleep_forever()
        await listener.until_taking()

    async def send(self, post: Post, response: Response, deadline: float) -> None:
        """See Transport."""
        listener = self._listeners.find(self._webhook_id)
        if listener is None:
            raise gone(EndReason.CLIENT_LEFT)
        if not self._may_send():
            raise NotPermitted("the daemon lost its connection to the database before the request was sent")
        response.stage = "waiting for the live listener's answer"
        answer = await listener.exchange(post, deadline)
        response.begun = response.complete = True
        response.status, response.headers = answer.status, list(answer.headers)
        response.add_body(answer.body)

    def close(self) -> None:
        """See Transport: the stream is not this transport's to close."""
