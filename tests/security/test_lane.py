"""The fast lane and the general server give the same answer to the same bytes, whole and torn."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.security.both_ways import BothWays, answers_of, compare, served_both_ways
from tests.security.lane_requests import comparable, torn, usual_request

REQUESTS = 400
SEED = 20_260_201
BATCH = b'[{"event": "linkedin.message.sent", "data": {}}]'


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[BothWays]:
    async with served_both_ways(tmp_path) as ways:
        yield ways


@pytest.mark.fault(
    "Submissions with one part or another that is odd, whole and torn, to the fast lane and the general server "
    "(10,000 in make soak)",
    "The same answer both ways, to the byte, and no line in the log",
    cases=REQUESTS,
)
async def test_both_ways_give_the_same_answer(both: BothWays) -> None:
    print(f"seed {SEED}")
    unlike = await compare(both, SEED, REQUESTS)
    assert not unlike, unlike[:3]
    assert not both.faults()


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/batch"])
async def test_a_submission_that_is_torn_at_any_byte_gets_the_same_answer(both: BothWays, path: str) -> None:
    request = usual_request(path, both.api.as_acme.key or "", BATCH if path.endswith("batch") else BATCH[1:-1])
    whole = await both.answers([request])
    assert whole[0] == whole[1]
    assert whole[0].startswith(b"HTTP/1.1 202 ")

    async def send(at: int) -> None:
        assert comparable(await answers_of(both.lane, torn(request, [at]), 0.002)) == whole[0]

    async with trio.open_nursery() as nursery:
        for at in range(1, len(request)):
            nursery.start_soon(send, at)


async def test_pipelined_requests_are_answered_in_order_also_over_the_way_out_of_the_lane(both: BothWays) -> None:
    key = both.api.as_acme.key or ""
    submission, batch = usual_request("/v1/events", key), usual_request("/v1/events/batch", key, BATCH)
    options = b"OPTIONS /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"
    malformed = b"POST /v1/events HTTP/1.1\nHost: x\r\n\r\n"
    requests = [submission, batch, submission, options, submission, batch, malformed]
    lane, general = await both.answers([b"".join(requests)])
    assert lane == general
    statuses = [part[:3] for part in lane.split(b"HTTP/1.1 ")[1:8]]
    assert statuses == [b"202", b"202", b"202", b"200", b"202", b"202", b"400"]


async def test_a_refusal_before_the_body_has_come_ends_the_connection(both: BothWays) -> None:
    cut = usual_request("/v1/events", "wrong")[:-20]
    lane, general = await both.answers([cut], 0.05)
    assert lane == general
    assert lane.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close\r\n" in await answers_of(both.lane, [cut], 0.05)
