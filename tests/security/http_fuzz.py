"""Sends what the grammar makes to the API on real sockets, and judges what comes back."""

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import h11
import trio

from api.server.connection import Patience
from tests.security.http_grammar import Sent, Verdict, any_request, torn
from tests.security.listening import HEALTH, Listening, listening

LAST = Sent(HEALTH.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), b"GET", closes=True)
_MOST_AT_ONCE = 40
_MOST_ON_ONE_CONNECTION = 4
_HANG_UP = 0.05  # of the connections: before an answer
_MALFORMED = b"RFC 9112"
_WITHIN_S = 30
_PATIENT = Patience(idle_s=_WITHIN_S, linger_s=0.05)  # a loaded machine may be slow to send


@dataclass(slots=True)
class Fuzzed:
    """What came of it: the answers by status, and what should not have been, each with the seed of its connection."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        answers = ", ".join(f"{count} with {status}" for status, count in sorted(self.statuses.items()))
        return f"{self.requests} requests, answered {answers}"


async def fuzz(state_dir: Path, seed: int, requests: int, advance: Callable[[], None] = lambda: None) -> Fuzzed:
    """Send so many requests; `advance` is called for each."""
    fuzzed, seeds = Fuzzed(), Random(seed)
    async with (
        listening(state_dir, body_timeout_s=_WITHIN_S, patience=_PATIENT, max_connections=1_000) as here,
        trio.open_nursery() as nursery,
    ):
        turns = trio.Semaphore(_MOST_AT_ONCE)
        key = str(here.api.as_acme.key).encode()
        while fuzzed.requests < requests:
            await turns.acquire()
            plan = _Plan(seeds.getrandbits(48), key)
            fuzzed.requests += len(plan.sent)
            nursery.start_soon(_run, here, plan, fuzzed, turns.release)
            for _ in plan.sent:
                advance()
        for _ in range(_MOST_AT_ONCE):
            await turns.acquire()
        await _check_daemon(here, fuzzed)
    return fuzzed


async def _check_daemon(here: Listening, fuzzed: Fuzzed) -> None:
    if not await here.is_healthy():
        fuzzed.faults.append("the daemon is not as before")
    fuzzed.faults += [f"logged: {line}" for line in here.faults()]


class _Plan:
    """What one connection sends."""

    def __init__(self, seed: int, key: bytes) -> None:
        random = Random(seed)
        self.seed = seed
        self.sent = [any_request(random, key) for _ in range(random.randint(1, _MOST_ON_ONE_CONNECTION))]
        data = b"".join(each.raw for each in (*self.sent, LAST))
        self.hangs_up = random.random() < _HANG_UP
        self.pieces = torn(random, data[: random.randrange(2, len(data))] if self.hangs_up else data)


async def _run(here: Listening, plan: _Plan, fuzzed: Fuzzed, done: Callable[[], object]) -> None:
    try:
        with trio.fail_after(_WITHIN_S):
            received = await _send(here, plan)
        if not plan.hangs_up:
            answers = read_answers([*plan.sent, LAST], received)
            fuzzed.statuses.update(answer.status for answer in answers)
            check([*plan.sent, LAST], answers)
    except (AssertionError, trio.TooSlowError, h11.RemoteProtocolError) as error:
        fuzzed.faults.append(f"seed {plan.seed}: {error!r}; sent {plan.pieces!r}"[:3000])
    finally:
        done()


async def _send(here: Listening, plan: _Plan) -> bytes:
    received = bytearray()
    async with await here.served.connect() as stream, trio.open_nursery() as nursery:

        async def receive() -> None:
            with suppress(trio.BrokenResourceError):
                while data := await stream.receive_some():
                    received.extend(data)
            nursery.cancel_scope.cancel()

        if not plan.hangs_up:
            nursery.start_soon(receive)
        with suppress(trio.BrokenResourceError):
            await _send_pieces(stream.send_all, plan.pieces)
    return bytes(received)


async def _send_pieces(send: Callable[[bytes], Awaitable[None]], pieces: list[bytes]) -> None:
    for piece in pieces:
        await send(piece)
        await trio.sleep(0.001)  # the server reads them one by one


@dataclass(frozen=True, slots=True)
class Answer:
    """One response. With `closes` it says that it is the connection's last."""

    status: int
    closes: bool
    body: bytes


def read_answers(sent: list[Sent], received: bytes) -> list[Answer]:
    """Return the answers. Raises h11.RemoteProtocolError or AssertionError for what is none."""
    answers: list[Answer] = []
    for each in sent:
        if not received:
            break
        answer, received = _read_answer(each, received)
        answers.append(answer)
    assert not received, f"more than was asked for: {received!r}"
    return answers


def _read_answer(sent: Sent, received: bytes) -> tuple[Answer, bytes]:
    if sent.method == b"HEAD" and sent.verdict is Verdict.BAD_HEAD:  # it may not have been understood as HEAD
        with suppress(AssertionError):
            return _read_one(b"GET", received)
    return _read_one(b"GET" if sent.method == b"CONNECT" else sent.method, received)


def _read_one(method: bytes, received: bytes) -> tuple[Answer, bytes]:
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(received)
    status, closes, body = 0, False, b""
    while True:
        event = reader.next_event()
        if isinstance(event, h11.Response):
            status, closes = event.status_code, (b"connection", b"close") in list(event.headers)
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, closes, body), reader.trailing_data[0]
        elif event is h11.NEED_DATA:
            raise AssertionError(f"cut off: {received!r}")


def check(sent: list[Sent], answers: list[Answer]) -> None:
    """Raise AssertionError unless these are right answers to what was sent."""
    for number, each in enumerate(sent):
        assert number < len(answers), f"no answer to request {number + 1}"
        answer, name = answers[number], f"request {number + 1} ({each.verdict})"
        assert 200 <= answer.status < 500 or answer.status == 503, f"{name}: {answer}"
        is_refusal = _MALFORMED in answer.body or answer.status == 431
        if each.verdict is Verdict.BAD_HEAD:
            assert is_refusal or (each.method == b"HEAD" and answer.status == 400), f"{name}: {answer}"
        if each.verdict is Verdict.GOOD:
            assert not is_refusal, f"{name}: {answer}"
        if each.verdict is not Verdict.GOOD or each.closes or answer.closes:
            assert len(answers) == number + 1, f"went on behind {name}"
            return
