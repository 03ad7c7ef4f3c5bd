"""Stopping by signal, with deliveries in flight and a backlog behind them (contract "A delivery")."""

import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import Gate, Operator, make_event, operated
from tests.support.process import Installation
from tests.support.receivers import ReceivedRequest, Receiver, open_receiver

WEBHOOKS = 20
EVENTS = 5


@asynccontextmanager
async def backlog(operator: Operator, receiver: Receiver) -> AsyncIterator[None]:
    """Give each webhook its events, and keep one request of each in flight."""
    await operator.make_team()
    for number in range(WEBHOOKS):
        await operator.make_webhook(f"{receiver.url}/{number}")
    await operator.submit(*range(EVENTS))
    await receiver.received(WEBHOOKS)
    yield


def arrivals(receiver: Receiver) -> Counter[str]:
    """How many attempts the receiver saw of each delivery."""
    return Counter(delivery_id(request) for request in receiver.requests)


def delivery_id(request: ReceivedRequest) -> str:
    found = request.header("webhook-id")
    assert found
    return found


async def check_that_all_arrived_once(operator: Operator, receiver: Receiver) -> None:
    await operator.until_nothing_is_pending()
    deliveries = await operator.deliveries()
    assert len(deliveries) == WEBHOOKS * EVENTS
    assert {delivery["status"] for delivery in deliveries} == {"succeeded"}
    assert {delivery["id"]: delivery["attemptsMade"] for delivery in deliveries} == arrivals(receiver)
    assert set(arrivals(receiver).values()) == {1}
    assert all(request.header("x-kakiyo-attempt") == "1" for request in receiver.requests)


@ends_within(30)
async def test_sigterm_lets_the_attempts_in_flight_finish_and_loses_nothing(installation: Installation) -> None:
    gate = Gate()
    async with open_receiver(gate) as receiver:
        async with operated(installation) as operator, backlog(operator, receiver):
            operator.daemon.signal(signal.SIGTERM)
            await operator.daemon.logged("daemon_stopping", signal="SIGTERM")
            await operator.daemon.noticed("STOPPING=1")
            gate.opened.set()
            assert await operator.daemon.ended() == 0
            assert len(operator.daemon.log_lines("delivery_succeeded")) == WEBHOOKS
        assert len(receiver.requests) == WEBHOOKS, "no attempt is begun once the stop has begun"
        async with operated(installation) as operator:
            await check_that_all_arrived_once(operator, receiver)


@pytest.mark.parametrize("signals", [(signal.SIGINT,), (signal.SIGTERM, signal.SIGTERM, signal.SIGINT)])
@ends_within(30)
async def test_sigint_and_repeated_signals_stop_like_one_sigterm(
    installation: Installation, signals: tuple[signal.Signals, ...]
) -> None:
    gate = Gate()
    async with open_receiver(gate) as receiver, operated(installation) as operator, backlog(operator, receiver):
        for number, sent in enumerate(signals, 1):
            operator.daemon.signal(sent)
            await operator.daemon.logged("daemon_stopping", number)
        gate.opened.set()
        assert await operator.daemon.ended() == 0
        assert len(operator.daemon.log_lines("delivery_succeeded")) == WEBHOOKS


@ends_within(30)
async def test_an_attempt_cut_short_by_sigterm_is_not_counted_and_is_made_again(
    new_installation: MakeInstallation,
) -> None:
    installation, gate = new_installation(delivery={"stop_grace_s": 0.2}), Gate()
    async with open_receiver(gate) as receiver:
        async with operated(installation) as operator, backlog(operator, receiver):
            operator.daemon.signal(signal.SIGTERM)
            assert await operator.daemon.ended() == 0
            assert len(operator.daemon.log_lines("attempt_ended", outcome="interrupted")) == WEBHOOKS
        gate.opened.set()
        async with operated(installation) as operator:
            await operator.until_nothing_is_pending()
            deliveries = await operator.deliveries()
            seen = arrivals(receiver)
            assert {delivery["attemptsMade"] for delivery in deliveries} == {1}
            assert sorted(seen[delivery["id"]] for delivery in deliveries) == [1] * 80 + [2] * 20
            assert all(request.header("x-kakiyo-attempt") == "1" for request in receiver.requests)
            assert (await operator.call("GET", "/v1/credits", teamId="acme"))["balance"] == -2 * WEBHOOKS * EVENTS


@ends_within(30)
async def test_a_load_balancer_learns_of_a_stop_before_the_api_refuses(new_installation: MakeInstallation) -> None:
    async with operated(new_installation(api={"shutdown_delay_s": 300})) as operator:
        await operator.make_team()
        operator.daemon.signal(signal.SIGTERM)
        await operator.daemon.logged("daemon_stopping")
        told = await operator.call("GET", "/readyz", expect=503)
        assert told["detail"].startswith("The daemon is stopping")
        await operator.call("POST", "/v1/events", make_event(1), expect=202)
        operator.daemon.signal(signal.SIGTERM)
        assert await operator.daemon.ended() == 0


@ends_within(30)
async def test_a_stop_answers_requests_in_progress_and_refuses_new_ones(installation: Installation) -> None:
    async with operated(installation) as operator:
        await operator.make_team()
        stopping, half_sent = trio.Event(), trio.Event()
        start, rest = json.dumps(make_event(1)).encode()[:20], json.dumps(make_event(1)).encode()[20:]

        async def halting() -> AsyncIterator[bytes]:
            yield start
            half_sent.set()
            await stopping.wait()
            yield rest

        async def submit() -> None:
            headers = {"Content-Type": "application/json"}
            answer = await operator.http.post("/v1/events", content=halting(), headers=headers)
            accepted.append(answer.json()["id"])

        accepted: list[str] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(submit)
            await half_sent.wait()
            operator.daemon.signal(signal.SIGTERM)
            await operator.daemon.logged("daemon_stopping")
            await turned_away(installation)
            stopping.set()
        assert await operator.daemon.ended() == 0
    async with operated(installation) as operator:
        assert (await operator.call("GET", f"/v1/events/{accepted[0]}"))["id"] == accepted[0]


async def turned_away(installation: Installation) -> None:
    """Connect until it is refused: the listener closes one turn of the loop after the line in the log."""
    host, port = installation.reserved.getsockname()
    with suppress(OSError):
        while True:
            await trio.aclose_forcefully(await trio.open_tcp_stream(host, port))
