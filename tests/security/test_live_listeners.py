"""Clients of live listeners that behave badly, over real connections (contract "Live listeners")."""

import socket
from pathlib import Path

import orjson
import pytest
import trio

from api.app import create_app
from api.server.connection import Patience
from daemon.domain.delivery_filter import DeliveryFilter
from daemon.store.reads import actor_reads, delivery_reads
from tests.support.api_client import RunningApi, running_api
from tests.support.api_server import Served, serving
from tests.support.daemon import make_settings

EVENTS, SIZE = 60, 200_000  # more than any socket's buffers take


async def listen_without_reading(served: Served, key: str, **body: object) -> trio.SocketStream:
    """Ask for a stream, and read no byte of it."""
    sock = trio.socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await sock.connect(("127.0.0.1", served.port))
    stream, content = trio.SocketStream(sock), orjson.dumps(body)
    head = (
        f"POST /v1/listeners HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    )
    await stream.send_all(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    return stream


async def until_nobody_listens(api: RunningApi) -> None:
    with trio.fail_after(60):
        while (await api.daemon.parts.store.reader.fetch(actor_reads.live_webhooks, "", 10))[0]:  # noqa: ASYNC110 - nobody would set an event
            await trio.sleep(0.02)


@pytest.mark.fault(
    "a client of a live listener reads nothing of its stream",
    "what is waiting stays in the database; its connection is closed, its webhook deleted, and what waits is cancelled",
)
async def test_a_client_that_reads_nothing_holds_nothing_in_memory_and_is_hung_up_on(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, delivery={"timeout_s": 0.05, "retry_delays_s": ()}, api={"rate_limit_per_s": 0})
    async with (
        running_api(tmp_path, settings=settings) as api,
        serving(create_app(api.handles), patience=Patience(send_s=0.2)) as served,
    ):
        async with await listen_without_reading(served, str(api.as_acme.key)):
            await until_listening(api)
            for number in range(EVENTS):
                await api.submit(n=number, filler="x" * SIZE)
            await until_nobody_listens(api)
        wanted = DeliveryFilter(team_id=api.acme.id)
        page = await api.daemon.parts.store.reader.fetch(delivery_reads.list_deliveries, wanted, EVENTS)
    reached = [delivery for delivery in page.items if delivery.attempts_made]
    waited = [delivery for delivery in page.items if not delivery.attempts_made]
    assert 0 < len(reached) < EVENTS, "the buffers of its connection were full after some"
    assert {delivery.cancel_reason for delivery in waited} == {"webhook_deleted"}


async def until_listening(api: RunningApi) -> None:
    with trio.fail_after(60):
        while not api.daemon.parts.live_listeners.count:  # noqa: ASYNC110 - nobody would set an event
            await trio.sleep(0.01)
