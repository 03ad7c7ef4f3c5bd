"""What every other client takes is no failure; what was read leniently ends its connection (contract "An attempt")."""

import socket
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Sequence
from functools import partial
from random import Random

import httptools
import httpx
import pytest
import trio

from daemon.delivery.attempt import make_attempt
from daemon.domain.model import OutcomeKind, Webhook, Work
from daemon.egress.response import Response
from daemon.egress.transport import EndpointTransport
from tests.egress.answers import ANSWERS, CHUNKED, CHUNKS, OK, TWO, Answer, Verdict
from tests.support.programs import program
from tests.support.receivers import open_receiver, send

MAX_KEPT_BODY_BYTES = 4096
MUTATIONS = 3_000
each_answer = pytest.mark.parametrize("answer", [pytest.param(answer, id=answer.name) for answer in ANSWERS])


def read(pieces: Sequence[bytes], *, then_end: bool) -> Response:
    """Return the response that these pieces make. Raises httpx.RemoteProtocolError."""
    response = Response(MAX_KEPT_BODY_BYTES)
    for piece in pieces:
        if response.enough:
            response.reusable = False
            break
        response.feed(piece)
    if then_end and not response.enough:
        response.end()
    return response


def facts(pieces: Sequence[bytes], *, then_end: bool = True) -> object:
    try:
        response = read(pieces, then_end=then_end)
    except httpx.RemoteProtocolError:
        return None
    return response.status, response.headers, bytes(response.body), response.complete, response.reusable


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@each_answer
def test_each_answer_is_judged_as_the_table_says(answer: Answer) -> None:
    if answer.verdict is Verdict.REFUSED:
        with pytest.raises(httpx.RemoteProtocolError, match=r"^the receiver"):
            read([answer.data], then_end=True)
        return
    response = read([answer.data], then_end=True)
    assert (response.status, bytes(response.body)) == (answer.status, answer.body)
    assert response.reusable is (answer.verdict is Verdict.KEPT)


@each_answer
def test_each_answer_means_the_same_however_it_is_cut(answer: Answer) -> None:
    if len(answer.data) < 10_000:
        assert facts(bytewise(answer.data)) == facts([answer.data])
    halves = [answer.data[: len(answer.data) // 2], answer.data[len(answer.data) // 2 :]]
    assert facts([half for half in halves if half]) == facts([answer.data] if answer.data else [])


@pytest.fixture
async def ports() -> AsyncIterator[list[int]]:
    """A port for each answer of the table: who connects gets it, and then the end of the connection."""
    async with trio.open_nursery() as nursery:
        found = []
        for answer in ANSWERS:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, partial(give, answer.data), [listener])
            found.append(listener.socket.getsockname()[1])
        yield found
        nursery.cancel_scope.cancel()


async def give(data: bytes, stream: trio.SocketStream) -> None:
    request = b""
    try:
        while not request.endswith(b"\r\n\r\n{}"):
            request += await stream.receive_some()
        await stream.send_all(data)
        stream.socket.shutdown(socket.SHUT_WR)
        while await stream.receive_some():
            pass
    except (trio.BrokenResourceError, OSError):
        pass  # a client may leave when it has seen enough
    await stream.aclose()


@pytest.mark.fault(
    "A receiver folds fields, gives a length twice or beside chunks, ends lines with line feeds only, sends 1,000 "
    "fields or a head of 280 KiB, and whatever else is odd and clear",
    "What curl and urllib both take is taken; the connection of an odd answer is closed, nonsense stays a failure",
    cases=len(ANSWERS),
)
async def test_what_curl_and_urllib_both_take_is_taken(transport: EndpointTransport, ports: list[int]) -> None:
    by_curl = await trio.to_thread.run_sync(taken_by_curl, ports)
    for answer, port, curl in zip(ANSWERS, ports, by_curl, strict=True):
        both = curl and await trio.to_thread.run_sync(taken_by_urllib, port)
        ours = await taken_by_us(transport, port)
        assert ours is (answer.verdict is not Verdict.REFUSED), answer.name
        assert ours or not both or answer.though, f"{answer.name}: both others take it"
        assert both or not answer.though, f"{answer.name}: the others do not both take it"


def taken_by_curl(ports: Sequence[int]) -> list[bool]:
    """Let curl try them all, each on a connection of its own; return which it took."""
    taken: list[bool] = []
    while len(taken) < len(ports):  # it gives up at its own "bad argument", and the rest is for another
        urls = [part for port in ports[len(taken) :] for part in ("-o", "/dev/null", f"http://127.0.0.1:{port}/")]
        command = [program("curl"), "-q", "-sS", "-w", "%{exitcode}\n", "--max-time", "5", "-d", "{}", *urls]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout, done.stderr
        taken += [line == "0" for line in done.stdout.split()]
    return taken


def taken_by_urllib(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", b"{}", timeout=5) as answer:
            answer.read()
    except Exception:  # each kind of failure is one to us
        return False
    return True


async def taken_by_us(transport: EndpointTransport, port: int) -> bool:
    webhook = Webhook(
        id="wh_1",
        team_id="team_1",
        name="CRM",
        url=f"http://127.0.0.1:{port}/",
        secret="s",
        events=("*",),
        created_at=0,
        updated_at=0,
    )
    work = Work(1, "dlv_1", "evt_1", "linkedin.message.sent", b"{}", created_at=0)
    outcome = await make_attempt(transport, webhook, work, 1, timeout_s=5, timestamp_s=0)
    assert outcome.kind in (OutcomeKind.DELIVERED, OutcomeKind.PROTOCOL_ERROR)
    return outcome.delivered


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(OK + b"X: a\r\n b\r\n" + TWO, id="a folded field"),
        pytest.param(OK + b"Content-Length: 2\r\n" + TWO, id="the same length twice"),
        pytest.param(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 12\r\n\r\n") + CHUNKS, id="length and chunks"),
        pytest.param((OK + TWO).replace(b"\r\n", b"\n"), id="line feeds only"),
        pytest.param(OK + b"X : a\r\n" + TWO, id="a space before the colon"),
        pytest.param(OK + b"A: b\r\n" * 1_000 + TWO, id="1,000 fields"),
    ],
)
async def test_an_answer_that_was_read_leniently_ends_its_connection(transport: EndpointTransport, odd: bytes) -> None:
    async with open_receiver(send(odd)) as receiver:
        assert await taken_by_us(transport, receiver.port)
        await receiver.disconnected()
        assert await taken_by_us(transport, receiver.port)
        assert [request.connection for request in receiver.requests] == [0, 1]


@pytest.mark.parametrize("large", [b"b" * 9_000, b"b" * 100_000, b"b" * 700_000])
async def test_an_oversized_field_hides_no_other(large: bytes) -> None:
    fields = b"First: 1\r\nLarge: " + large + b"\r\nLast: 2\r\n"
    response = read([OK + fields + TWO], then_end=False)
    kept = dict(response.headers)
    assert (kept[b"First"], kept[b"Last"], kept[b"Content-Length"]) == (b"1", b"2", b"2")
    assert sum(len(name) + len(value) for name, value in response.headers) <= 64 * 1024


async def test_where_the_response_ends_is_read_however_many_fields_come_before() -> None:
    response = read([OK + b"A: b\r\n" * 5_000 + b"Connection: close\r\n" + TWO], then_end=False)
    assert response.complete
    assert (len(response.headers), bytes(response.body)) == (100, b"ok")


async def test_a_folded_field_is_kept_as_one_line() -> None:
    response = read([OK + b"X: a\r\n b \r\n\t c\r\n" + TWO], then_end=False)
    assert response.headers[0] == (b"X", b"a b c")


async def test_a_bare_carriage_return_becomes_a_space() -> None:  # RFC 9112, 2.2
    assert read([OK + b"X: a\rb\r\n" + TWO], then_end=False).headers[0] == (b"X", b"a b")


class Strict:
    """What llhttp, strict as it is by itself, makes of an answer."""

    def __init__(self, data: bytes) -> None:
        self.whole = False
        self.refused = False
        self.over = False
        self.parser = httptools.HttpResponseParser(self)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.refused = True

    def on_message_begin(self) -> None:
        self.over = False

    def on_message_complete(self) -> None:
        self.over = True
        self.whole = self.parser.get_status_code() >= 200


def mutated(data: bytes, random: Random) -> bytes:
    """Return the answer with some bytes or lines deleted, doubled, moved or replaced."""
    odd = (
        b"\r",
        b"\n",
        b"\r\n",
        b" ",
        b"\t",
        b":",
        b"\0",
        b"\x01",
        b",",
        b"0",
        b"2",
        b"Content-Length: 2\r\n",
        b"\xff",
    )
    for _ in range(random.randint(1, 4)):
        at, length = random.randrange(len(data) + 1), random.choice((0, 0, 1, 1, 2, 9))
        data = data[:at] + random.choice((b"", *odd, data[at : at + 2 * length])) + data[at + length :]
    return data


def cut(data: bytes, random: Random) -> list[bytes]:
    places = sorted(random.randrange(len(data) + 1) for _ in range(random.randint(0, 9)))
    pieces = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    return [piece for piece in pieces if piece]


@pytest.mark.fault(
    "3,000 mangled answers: bytes and lines deleted, doubled, replaced, and cut anywhere on the wire",
    "The same verdict however they are cut, no other error than a protocol error, and no connection is used again "
    "that a strict parser would refuse",
    cases=MUTATIONS,
)
def test_no_mangled_answer_breaks_the_reader_or_gets_its_connection_used_again() -> None:
    random = Random(20_261_129)
    small = [answer.data for answer in ANSWERS if 0 < len(answer.data) < 2_000]
    for _ in range(MUTATIONS):
        data = mutated(random.choice(small), random)
        whole = facts([data] if data else [], then_end=False)
        assert facts(cut(data, random), then_end=False) == whole, data
        if isinstance(whole, tuple) and whole[3] and whole[4]:
            strict = Strict(data)
            assert (strict.whole, strict.over, strict.refused) == (True, True, False), data
