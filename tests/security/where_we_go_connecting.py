"""An attempt through the real transport, and a trap where nothing may be sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from daemon.delivery.attempt import make_attempt
from daemon.domain.model import Outcome, Webhook, Work
from daemon.egress.transport import EndpointTransport


async def attempt(transport: EndpointTransport, url: str) -> Outcome:
    webhook = Webhook(
        id="wh_1", team_id="team_1", name="CRM", url=url, secret=None, events=("*",), created_at=0, updated_at=0
    )
    work = Work(1, "dlv_1", "evt_1", "linkedin.message.sent", b"{}", created_at=0)
    with trio.fail_after(10):
        return await make_attempt(transport, webhook, work, 1, timeout_s=5, timestamp_s=0)


@asynccontextmanager
async def trap(host: str, port: int) -> AsyncIterator[list[trio.SocketStream]]:
    """Listen where nothing may be sent, say on the receiver's own port; yield the connections that came."""
    trapped: list[trio.SocketStream] = []

    async def serve(stream: trio.SocketStream) -> None:
        trapped.append(stream)
        await trio.sleep_forever()

    (listener,) = await trio.open_tcp_listeners(port, host=host)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        try:
            yield trapped
        finally:
            nursery.cancel_scope.cancel()
