"""Requests on the wire as a grammar makes them, half of them broken: an answer each, and nothing else happens."""

from pathlib import Path

import pytest
import trio

from tests.security.http_fuzz import fuzz
from tests.security.input_requests import CHUNKED, KEY
from tests.security.listening import listening
from tests.support.api_server import Served, read_to_end

pytestmark = pytest.mark.usefixtures("way")

MALFORMED_CHUNKS = (
    b"3\r\nabcXX",
    b"3\r\nabcXX0\r\n\r\n",
    b"zz\r\n",
    b"3\nabc\r\n",
    b"3\nabc\n0\n\n",
    b"3\r\nabc\r\n0\n\n",
    b"3\r\nabc\r\n0\r\n a: b\r\n\r\n",
)
TIMES = 20
SEED = 20_260_101
REQUESTS = 2_000


@pytest.mark.fault(
    "Requests made from HTTP's grammar and broken in one place, torn and pipelined (100,000 in make soak)",
    "An answer each, the right one for a malformed head and chunk, no 5xx, no line in the log, the daemon as before",
    cases=REQUESTS,
)
async def test_whatever_the_grammar_makes_is_answered(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    fuzzed = await fuzz(tmp_path, SEED, REQUESTS)
    assert not fuzzed.faults, fuzzed.faults[:5]


@pytest.mark.fault(
    "A malformed chunk, in one piece with its head and torn from it, to a route that reads it and to one that does not",
    "400 each time, or the refusal that was on its way, and no line in the log",
    cases=len(MALFORMED_CHUNKS) * TIMES * 2,
)
@pytest.mark.parametrize(
    ("head", "right"), [(CHUNKED, {400}), (CHUNKED.replace(KEY, b""), {400, 401})], ids=["with a key", "without a key"]
)
async def test_a_malformed_chunk_is_always_answered(tmp_path: Path, head: bytes, right: set[int]) -> None:
    async with listening(tmp_path) as here:
        for chunk in MALFORMED_CHUNKS:
            answers = await answers_to(here.served, head, chunk)
            assert len(answers) == TIMES
            assert {int(answer[9:12] or 0) for answer in answers} <= right, chunk
            assert all(b"connection: close\r\n" in answer.lower() for answer in answers), chunk
            assert not here.faults(), chunk


async def answers_to(served: Served, head: bytes, chunk: bytes) -> list[bytes]:
    """Send both so many times, in one piece and in two; return all answers."""
    answers: list[bytes] = []

    async def send(pieces: tuple[bytes, ...]) -> None:
        async with await served.connect() as stream:
            for piece in pieces:
                await stream.send_all(piece)
                await trio.sleep(0.002)
            answers.append(await read_to_end(stream))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for number in range(TIMES):
                nursery.start_soon(send, (head + chunk,) if number % 2 else (head, chunk))
    return answers
