"""Cancels the client at every place where it waits, and counts descriptors: nothing may stay open."""

import gc

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from daemon.egress.transport import EndpointTransport
from tests.egress.conftest import MakeTransport
from tests.egress.posting import open_descriptors, post, resolving_to
from tests.support.receivers import Answer, Exchange, open_receiver, respond
from tests.support.tls import TestAuthority

LARGE = b"x" * (4 * 1024 * 1024)
PIECES = (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", b"Content-Length: 4\r\n\r\n", b"ab", b"cd")


async def answer_in_pieces(exchange: Exchange) -> None:
    for piece in PIECES:
        await wait_all_tasks_blocked()  # the client has taken the piece before and waits for the next
        await exchange.send(piece)


class CancelAtWait(trio.abc.Instrument):
    """Cancels the scope when the task that made this waits for the given time (from 1)."""

    def __init__(self, scope: trio.CancelScope, wait: int) -> None:
        self._task = trio.lowlevel.current_task()
        self._scope = scope
        self._waits_left = wait

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._waits_left -= 1
            if self._waits_left == 0:
                self._scope.cancel()


async def cancelled_at(wait: int, transport: EndpointTransport, url: str, body: bytes) -> bool:
    with trio.CancelScope() as scope:
        canceller = CancelAtWait(scope, wait)
        trio.lowlevel.add_instrument(canceller)
        try:
            assert (await post(transport, url, body))[0] == 200
        finally:
            trio.lowlevel.remove_instrument(canceller)
    return scope.cancelled_caught


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("kept", [False, True], ids=["a new connection", "a kept connection"])
@pytest.mark.parametrize(
    ("answer", "body"),
    [(answer_in_pieces, b"{}"), (respond(200), LARGE)],
    ids=["a response in pieces", "a large request"],
)
async def test_a_cancel_at_any_wait_leaves_no_descriptor_open(
    make_transport: MakeTransport, authority: TestAuthority, answer: Answer, body: bytes, kept: bool, tls: bool
) -> None:
    context = authority.server_context("hooks.example.com") if tls else None
    transport = make_transport(resolving_to("127.0.0.1"))
    async with open_receiver(answer, tls=context, name="hooks.example.com") as receiver:
        before = open_descriptors()
        for wait in range(1, 2000):
            if kept:
                await post(transport, receiver.url)
            was_cancelled = await cancelled_at(wait, transport, receiver.url, body)
            transport.close()
            await wait_all_tasks_blocked()  # the receiver may not even have accepted the connection
            await receiver.disconnected()
            assert open_descriptors() == before
            if not was_cancelled:
                break
        gc.collect()  # a socket that was only forgotten warns here, and a warning is an error
        assert wait > 3, "the client waited at so few places that nothing was tested"
        assert not was_cancelled


async def test_a_cancel_during_the_lookup_returns_at_once(make_transport: MakeTransport) -> None:
    async def hanging(host: str, port: int) -> list[object]:
        return await trio.sleep_forever()

    with trio.move_on_after(0) as scope:
        await post(make_transport(hanging), "https://hooks.example.com/")
    assert scope.cancelled_caught
