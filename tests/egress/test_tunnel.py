"""What a proxy may say, and what a hostile one gets for it (contract "The way out")."""

from collections.abc import Callable, Sequence

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.egress.errors import DeadlinePassed, EgressError, NotConnected, ProxyFailed
from daemon.egress.operator_proxy import OperatorProxy
from daemon.egress.proxy import Proxy
from daemon.egress.transport import EndpointTransport
from daemon.egress.way import Way
from tests.egress.conftest import MakeTransport
from tests.egress.posting import post, resolving_to
from tests.egress.proxies import HOST, Conduct, Visit, open_scripted_proxy, splice
from tests.support.receivers import open_receiver

NAME = "hooks.example.com"
URL = f"http://{NAME}/"
USER, PASSWORD = "user@corp", "geheim: Grüße"
OK = b"HTTP/1.1 200 OK\r\n\r\n"


def by(transport: EndpointTransport, proxy: Proxy) -> EndpointTransport:
    transport.go_by(Way(proxy=proxy))
    return transport


def answering(*pieces: bytes) -> Conduct:
    """Answer the CONNECT with these pieces, and hang up."""

    async def conduct(visit: Visit) -> None:
        await visit.until(b"\r\n\r\n")
        for piece in pieces:
            await visit.send(piece)

    return conduct


async def error_of(
    make_transport: MakeTransport, conduct: Conduct, scheme: str = "http", **proxy: object
) -> EgressError:
    async with open_scripted_proxy(conduct) as scripted:
        with pytest.raises(EgressError) as failed:
            await post(by(make_transport(), scripted.proxy(scheme, **proxy)), URL)  # type: ignore[arg-type]  # a scheme
        assert len(scripted.visits) == 1
    return failed.value


BAD_HTTP: dict[bytes, str] = {
    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n": "407: its login is missing",
    b"HTTP/1.1 401 Unauthorized\r\n\r\n": "401: its login is missing or wrong",
    b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n": "sent more than its answer",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi": "sent more than its answer",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 20: "not valid HTTP/1.1",
    b"HTTP/2 200\r\n\r\n": "not valid HTTP/1.1",
    b"SSH-2.0-OpenSSH_9.2\r\n\r\n": "not valid HTTP/1.1",
    b"\r\n\r\n": "not valid HTTP/1.1",
    b"\x05\x00": "closed the connection",
    b"": "closed the connection",
    b"HTTP/1.1 200 OK\r\nX: y\r\n": "closed the connection",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2_000_000: "no end",
}


async def test_whatever_is_no_answer_of_a_proxy_is_the_proxys_fault(make_transport: MakeTransport) -> None:
    for answer, sentence in BAD_HTTP.items():
        error = await error_of(make_transport, answering(answer))
        assert isinstance(error, ProxyFailed), answer[:40]
        assert sentence in str(error)


async def test_what_the_proxy_refuses_is_not_followed_anywhere(make_transport: MakeTransport) -> None:
    for status in (300, 301, 302, 307, 308, 400, 403, 404, 500, 502, 503, 504):
        answer = b"HTTP/1.1 %d Elsewhere\r\nLocation: http://10.0.0.1/\r\nRetry-After: 0\r\n\r\n" % status
        error = await error_of(make_transport, answering(answer))
        assert str(error) == f"no connection to {NAME} port 80 through the proxy (the proxy answered {status})"
        assert isinstance(error, NotConnected)


async def test_an_answer_torn_at_every_byte_is_read_the_same(make_transport: MakeTransport) -> None:
    answer = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 Connection established\r\nVia: 1.1 p\r\n\r\n"

    async def tear(visit: Visit) -> None:
        head = await visit.until(b"\r\n\r\n")
        other = await trio.open_tcp_stream(HOST, int(head.split(b" ")[1].partition(b":")[2]))
        for byte in answer:
            await wait_all_tasks_blocked()
            await visit.send(bytes((byte,)))
        await splice(visit.stream, other)

    async with open_receiver(name=NAME) as receiver, open_scripted_proxy(tear) as scripted:
        assert (await post(by(make_transport(), scripted.proxy()), receiver.url))[0] == 200


def socks5(
    *, method: bytes = b"\x05\x00", login: bytes = b"\x01\x00", reply: bytes | None = None, torn: bool = False
) -> Conduct:
    """Speak SOCKS5 with these answers; with no `reply` connect, as it asks for."""

    async def send(visit: Visit, data: bytes) -> None:
        for piece in [data[at : at + 1] for at in range(len(data))] if torn else [data]:
            await wait_all_tasks_blocked()
            await visit.send(piece)

    async def conduct(visit: Visit) -> None:
        version, count = await visit.exactly(2)
        offered = await visit.exactly(count)
        assert (version, 0 in offered) == (5, True)
        await send(visit, method)
        if method == b"\x05\x02":
            assert await visit.exactly(2) == bytes((1, len(USER.encode())))
            assert await visit.exactly(len(USER.encode())) == USER.encode()
            assert await visit.exactly(1) == bytes((len(PASSWORD.encode()),))
            assert await visit.exactly(len(PASSWORD.encode())) == PASSWORD.encode()
            await send(visit, login)
        assert await visit.exactly(4) == b"\x05\x01\x00\x01"
        address, port = await visit.exactly(4), int.from_bytes(await visit.exactly(2), "big")
        assert address == b"\x7f\x00\x00\x01"
        if reply is not None:
            await send(visit, reply)
            return
        other = await trio.open_tcp_stream(HOST, port)
        await send(visit, b"\x05\x00\x00\x03\x09localhost\x00\x50")
        await splice(visit.stream, other)

    return conduct


@pytest.mark.parametrize("torn", [False, True])
async def test_socks5_with_a_login_is_spoken_as_the_rfcs_say_however_its_answers_are_torn(
    make_transport: MakeTransport, torn: bool
) -> None:
    conduct = socks5(method=b"\x05\x02", torn=torn)
    async with open_receiver(name=NAME) as receiver, open_scripted_proxy(conduct) as scripted:
        proxy = scripted.proxy("socks5", username=USER, password=PASSWORD)
        assert (await post(by(make_transport(), proxy), receiver.url))[0] == 200


BAD_SOCKS5: Sequence[tuple[Callable[[], Conduct], str]] = (
    (lambda: socks5(method=b"\x05\xff"), "takes no login that we have"),
    (lambda: socks5(method=b"\x04\x00"), "does not speak SOCKS5"),
    (lambda: socks5(method=b"HT"), "does not speak SOCKS5"),
    (lambda: socks5(method=b"\x05\x02", login=b"\x01\x01"), "refused the login"),
    (lambda: socks5(reply=b""), "closed the connection"),
    (lambda: socks5(reply=b"\x05\x00\x00"), "closed the connection"),
    (lambda: socks5(reply=b"\x05\x00\x00\x03\xff" + b"x" * 100), "closed the connection"),
    (lambda: socks5(reply=b"\x04\x00\x00\x01" + b"\0" * 6), "does not speak SOCKS5"),
    (lambda: socks5(reply=b"\x05\x00\x00\x09" + b"\0" * 6), "does not speak SOCKS5"),
    (lambda: socks5(reply=b"\x05\x00\x00\x01" + b"\0" * 6 + b"HTTP/1.1 200 OK\r\n\r\n"), "sent more than its answer"),
)


async def test_whatever_is_no_socks5_is_the_proxys_fault(make_transport: MakeTransport) -> None:
    for conduct, sentence in BAD_SOCKS5:
        error = await error_of(make_transport, conduct(), "socks5", username=USER, password=PASSWORD)
        assert isinstance(error, ProxyFailed), sentence
        assert sentence in str(error)


async def test_each_reply_of_socks5_says_why_the_receiver_was_not_reached(make_transport: MakeTransport) -> None:
    words = {1: "general failure", 2: "not allowed by its rules", 4: "host unreachable", 5: "connection refused"}
    for code, reason in {**words, 99: "error 99"}.items():
        error = await error_of(make_transport, socks5(reply=bytes((5, code, 0, 1)) + b"\0" * 6), "socks5")
        assert isinstance(error, NotConnected)
        assert f"(the proxy answered: {reason})" in str(error)


async def test_no_login_is_in_an_error_or_in_what_is_printed_of_a_proxy(make_transport: MakeTransport) -> None:
    for answer in BAD_HTTP:
        error = await error_of(make_transport, answering(answer), username=USER, password=PASSWORD)
        assert PASSWORD not in f"{error!r} {error.detail}"
        assert USER not in f"{error!r} {error.detail}"
    assert PASSWORD not in repr(Proxy("http", HOST, 1, USER, PASSWORD))


# -- time


async def _ends(
    make_transport: MakeTransport, clock: MockClock, conduct: Conduct, scheme: str, *, is_operators: bool
) -> BaseException:
    found: list[BaseException] = []
    async with open_scripted_proxy(conduct) as scripted:
        proxy = scripted.proxy(scheme, is_operators=is_operators)  # type: ignore[arg-type]  # a scheme
        transport = make_transport(proxy=OperatorProxy(proxy) if is_operators else None)
        transport.go_by(Way() if is_operators else Way(proxy=proxy))

        async def deliver() -> None:
            try:
                await post(transport, URL)
            except (EgressError, DeadlinePassed) as error:
                found.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(deliver)
            await wait_all_tasks_blocked()
            clock.jump(9.9)
            await wait_all_tasks_blocked()
            assert found == []
            clock.jump(0.2)
            await wait_all_tasks_blocked()
    return found[0]


async def test_a_proxy_that_drips_or_says_nothing_gets_no_more_than_the_attempts_time(
    make_transport: MakeTransport, mock_clock: MockClock
) -> None:
    async def silent(visit: Visit) -> None:
        await trio.sleep_forever()

    async def drip(visit: Visit) -> None:
        await visit.until(b"\r\n\r\n")
        for _ in range(1_000):
            await visit.send(b"HTTP/1.1 100 Continue\r\n\r\n"[:1])
            await trio.sleep(1)

    for conduct, scheme in ((silent, "http"), (drip, "http")):
        error = await _ends(make_transport, mock_clock, conduct, scheme, is_operators=False)
        assert isinstance(error, DeadlinePassed)


async def test_a_proxy_that_does_not_even_answer_for_itself_is_at_fault_when_the_time_is_over(
    make_transport: MakeTransport, mock_clock: MockClock
) -> None:
    async def silent(visit: Visit) -> None:
        await trio.sleep_forever()

    for is_operators in (True, False):
        error = await _ends(make_transport, mock_clock, silent, "socks5", is_operators=is_operators)
        assert isinstance(error, ProxyFailed)
        assert (str(error), error.is_operators) == ("the proxy cannot be reached (no answer)", is_operators)


async def test_a_second_address_has_its_turn_when_the_proxy_hangs_over_the_first(
    make_transport: MakeTransport, mock_clock: MockClock
) -> None:
    asked = trio.Semaphore(0)

    async def hang_over_the_first(visit: Visit) -> None:
        head = await visit.until(b"\r\n\r\n")
        asked.release()
        if b"127.0.0.9" in head:
            await trio.sleep_forever()
        other = await trio.open_tcp_stream(HOST, int(head.split(b" ")[1].partition(b":")[2]))
        await visit.send(OK)
        await splice(visit.stream, other)

    statuses = []
    async with open_receiver(name=NAME) as receiver, open_scripted_proxy(hang_over_the_first) as scripted:
        transport = by(make_transport(resolving_to("127.0.0.9", HOST)), scripted.proxy())

        async def deliver() -> None:
            statuses.append((await post(transport, receiver.url))[0])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(deliver)
            await asked.acquire()
            await wait_all_tasks_blocked()
            mock_clock.jump(3)
            await receiver.received(1)
    assert statuses == [200]
