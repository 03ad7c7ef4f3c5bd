"""Attempts through the real transport over real sockets, in a time that only the test moves."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.delivery.attempt import make_attempt
from daemon.domain.model import Outcome, OutcomeKind, Webhook, Work
from daemon.egress.transport import EndpointTransport
from daemon.egress.urls import EgressRules
from tests.egress.conftest import MakeTransport
from tests.egress.posting import resolving_to
from tests.support.receivers import Answer, Exchange, endless, hang, hang_up, open_receiver, respond, response, send
from tests.support.tls import TestAuthority

OK = b"HTTP/1.1 200 OK\r\n"


async def attempt(transport: EndpointTransport, url: str, body: bytes = b"{}") -> Outcome:
    webhook = Webhook(
        id="wh_1", team_id="team_1", name="CRM", url=url, secret="secret", events=("*",), created_at=0, updated_at=0
    )
    work = Work(1, "dlv_1", "evt_1", "linkedin.message.sent", body, created_at=0)
    return await make_attempt(transport, webhook, work, 1, timeout_s=10, timestamp_s=0)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(hang(), None, id="silence"),
        pytest.param(hang(after=b"HTTP/1.1 200 O"), None, id="half a head"),
        pytest.param(endless(OK, b"X: y\r\n", pause_s=1), None, id="a dripping head"),
        pytest.param(hang(after=OK + b"Content-Length: 2\r\n\r\nx"), 200, id="half a body"),
        pytest.param(endless(OK + b"\r\n", b"x", pause_s=1), 200, id="a dripping body"),
    ],
)
async def test_a_receiver_that_hangs_or_drips_is_cut_off_at_10_seconds(
    transport: EndpointTransport, mock_clock: MockClock, answer: Answer, status: int | None
) -> None:
    outcomes = []

    async def deliver(url: str) -> None:
        outcomes.append(await attempt(transport, url))

    async with open_receiver(answer) as receiver, trio.open_nursery() as nursery:
        nursery.start_soon(deliver, receiver.url)
        await receiver.received(1)
        for second in range(10):
            await wait_all_tasks_blocked(0.005)
            assert outcomes == [], f"over after {second} s"
            mock_clock.jump(1)
    (outcome,) = outcomes
    assert (outcome.kind, outcome.status, outcome.duration_ms) == (OutcomeKind.TIMEOUT, status, 10_000)


async def test_a_receiver_that_does_not_read_is_cut_off_at_10_seconds(
    transport: EndpointTransport, mock_clock: MockClock
) -> None:
    outcomes = []

    async def deliver(url: str) -> None:
        outcomes.append(await attempt(transport, url, b"x" * 8 * 1024 * 1024))

    async with open_receiver(hang()) as receiver, trio.open_nursery() as nursery:
        receiver.reads_body = False
        nursery.start_soon(deliver, receiver.url)
        await receiver.received(1)
        await wait_all_tasks_blocked(0.005)
        mock_clock.jump(10)
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.TIMEOUT]


async def test_a_handshake_that_hangs_is_cut_off_at_10_seconds(
    transport: EndpointTransport, mock_clock: MockClock
) -> None:
    outcomes = []

    async def deliver(url: str) -> None:
        outcomes.append(await attempt(transport, url))

    async def say_nothing(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as server:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        server.start_soon(trio.serve_listeners, say_nothing, [listener])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(deliver, f"https://hooks.example.com:{listener.socket.getsockname()[1]}/")
            await wait_all_tasks_blocked(0.005)
            mock_clock.jump(10)
        server.cancel_scope.cancel()
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.TIMEOUT]
    assert outcomes[0].error == "no response within 10 s (stopped while connecting)"


@pytest.mark.parametrize(
    ("answer", "kind", "status", "body"),
    [
        pytest.param(respond(200, b"ok"), OutcomeKind.DELIVERED, 200, b"ok", id="a success"),
        pytest.param(respond(500, b"no"), OutcomeKind.HTTP_ERROR, 500, b"no", id="a refusal"),
        pytest.param(respond(200, b"x" * 9000), OutcomeKind.DELIVERED, 200, b"x" * 4096, id="a large body"),
        pytest.param(
            endless(OK + b"\r\n", b"x" * 9999), OutcomeKind.DELIVERED, 200, b"x" * 4096, id="a body without end"
        ),
        pytest.param(hang_up(), OutcomeKind.PROTOCOL_ERROR, None, b"", id="no response"),
        pytest.param(
            send(OK + b"Content-Length: 9\r\n\r\nhalf", then_close=True),
            OutcomeKind.PROTOCOL_ERROR,
            200,
            b"half",
            id="cut",
        ),
        pytest.param(
            send(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzzz"),
            OutcomeKind.PROTOCOL_ERROR,
            200,
            b"half",
            id="a broken chunk",
        ),
        pytest.param(send(b"nonsense\r\n"), OutcomeKind.PROTOCOL_ERROR, None, b"", id="no HTTP"),
    ],
)
async def test_what_the_receiver_does_is_what_the_outcome_says(
    transport: EndpointTransport, answer: Answer, kind: OutcomeKind, status: int | None, body: bytes
) -> None:
    async with open_receiver(answer) as receiver:
        outcome = await attempt(transport, receiver.url)
        assert (outcome.kind, outcome.status, outcome.body) == (kind, status, body)
        assert (outcome.error is None) == outcome.delivered


async def test_what_goes_wrong_before_sending_has_a_kind_of_its_own(
    make_transport: MakeTransport, authority: TestAuthority
) -> None:
    async def unknown(host: str, port: int) -> list[object]:
        raise OSError("no such name")

    async with open_receiver(tls=authority.server_context("other.example"), name="hooks.example.com") as receiver:
        assert (await attempt(make_transport(), receiver.url)).kind is OutcomeKind.TLS_ERROR
        assert (await attempt(make_transport(rules=EgressRules()), receiver.url)).kind is OutcomeKind.BLOCKED_ADDRESS
        assert (await attempt(make_transport(unknown), receiver.url)).kind is OutcomeKind.DNS_ERROR
        url = receiver.url
    assert (await attempt(make_transport(resolving_to("127.0.0.1")), url)).kind is OutcomeKind.CONNECT_ERROR


async def test_no_error_repeats_the_secret_part_of_a_url(make_transport: MakeTransport) -> None:
    async with open_receiver(hang_up()) as receiver:
        for url in (receiver.url, "http://10.0.0.1", "https://hooks.example.com:1"):
            outcome = await attempt(make_transport(), url + "/T0KEN?key=T0KEN")
            assert outcome.error is not None
            assert "T0KEN" not in outcome.error


async def test_the_response_headers_of_the_wire_are_kept(transport: EndpointTransport) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.send(response(200, headers=[("X-Request-Id", "r1"), ("X-Request-Id", "r2")]))

    async with open_receiver(answer) as receiver:
        outcome = await attempt(transport, receiver.url)
        assert outcome.headers == (("X-Request-Id", "r1"), ("X-Request-Id", "r2"), ("Content-Length", "0"))
