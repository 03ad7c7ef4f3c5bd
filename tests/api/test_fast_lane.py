"""The fast lane keeps what the connection promises: deadlines, stopping, places for those with a key."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import trio

from api.app import create_app
from api.server.connection import Patience
from tests.security.lane_requests import usual_request
from tests.support.api_client import RunningApi, running_api
from tests.support.api_server import Served, exchange, read_to_end, serving

SHORT = Patience(idle_s=0.2, linger_s=0.05, last_s=0.1)
# Where a client's turn may come late on a busy machine.
LONG = replace(SHORT, idle_s=60)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningApi]:
    async with running_api(tmp_path) as api:
        yield api


@pytest.fixture
async def served(api: RunningApi) -> AsyncIterator[Served]:
    async with serving(create_app(api.handles), patience=LONG, max_connections=4) as lane:
        yield lane


@pytest.fixture
async def impatient(api: RunningApi) -> AsyncIterator[Served]:
    async with serving(create_app(api.handles), patience=SHORT, max_connections=4) as lane:
        yield lane


@pytest.fixture
def submission(api: RunningApi) -> bytes:
    return usual_request("/v1/events", api.as_acme.key or "")


async def test_a_connection_that_stays_idle_behind_a_submission_is_closed(impatient: Served, submission: bytes) -> None:
    async with await impatient.connect() as stream:
        assert (await exchange(stream, submission))[0] == 202
        with trio.fail_after(5):
            assert await read_to_end(stream) == b""


async def test_a_head_that_does_not_come_in_time_is_408(impatient: Served, submission: bytes) -> None:
    async with await impatient.connect() as stream:
        await stream.send_all(submission[:40])
        with trio.fail_after(5):
            assert (await read_to_end(stream)).startswith(b"HTTP/1.1 408 ")


async def test_the_last_response_before_a_stop_says_so(served: Served, submission: bytes) -> None:
    async with await served.connect() as stream:
        await stream.send_all(submission[:-10])
        await trio.sleep(0.02)
        served.stop.set()
        await trio.sleep(0.02)
        await stream.send_all(submission[-10:])
        with trio.fail_after(5):
            answer = await read_to_end(stream)
            await served.stopped.wait()
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert b"\r\nconnection: close\r\n" in answer


async def test_a_stop_waits_for_no_idle_connection_in_the_lane(served: Served, submission: bytes) -> None:
    async with await served.connect() as stream:
        assert (await exchange(stream, submission))[0] == 202
        served.stop.set()
        with trio.fail_after(5):
            await served.stopped.wait()


async def test_who_has_shown_a_key_in_the_lane_gives_up_its_place_among_strangers(
    served: Served, submission: bytes
) -> None:
    async with await served.connect() as known:
        assert (await exchange(known, submission))[0] == 202
        async with await served.connect() as stranger, await served.connect() as another:  # there is one place for them
            await another.send_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await read_to_end(another)).startswith(b"HTTP/1.1 200 ")
            assert await read_to_end(stranger) == b""
        assert (await exchange(known, submission))[0] == 202


async def test_a_client_that_goes_away_in_the_middle_of_its_body_leaves_no_trace(
    api: RunningApi, served: Served, submission: bytes
) -> None:
    async with await served.connect() as stream:
        await stream.send_all(submission[:-10])
        await trio.sleep(0.02)
    async with await served.connect() as stream:
        assert (await exchange(stream, submission))[0] == 202
    assert [served.log_lines(), api.daemon.log_lines("api_error")] == [[], []]


async def test_many_requests_that_come_together_hold_up_nobody(served: Served) -> None:
    refused, many, turns = usual_request("/v1/events", "wrong"), 200, 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with await served.connect() as stream, trio.open_nursery() as nursery:
        await stream.send_all(refused * many)
        answers = b""
        nursery.start_soon(count_turns)
        while answers.count(b"HTTP/1.1 401 ") < many:
            answers += await stream.receive_some()
        nursery.cancel_scope.cancel()
    assert turns > many / 2


async def test_a_submissions_trace_is_logged(api: RunningApi, served: Served, submission: bytes) -> None:
    trace = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nHost:"
    async with await served.connect() as stream:
        status, body = await exchange(stream, submission.replace(b"Host:", trace))
    assert status == 202
    shown = await api.as_acme.get(f"/v1/events/{orjson.loads(body)['id']}")
    assert shown.status == 200
    [line] = api.daemon.log_lines("event_accepted")
    assert line["traceId"] == "0af7651916cd43dd8448eb211c80319c"
