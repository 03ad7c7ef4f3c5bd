"""A slash too many at the end of a path leads to the route without it (contract "HTTP API")."""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from api.app import create_app
from tests.security.lane_requests import usual_request
from tests.support.api_client import RunningApi, running_api
from tests.support.api_server import Served, exchange, read_to_end, serving


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningApi]:
    async with running_api(tmp_path) as api:
        yield api


@pytest.fixture
async def served(api: RunningApi) -> AsyncIterator[Served]:
    async with serving(create_app(api.handles)) as lane:
        yield lane


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/webhooks"),
        ("POST", "/v1/webhooks"),
        ("POST", "/v1/events"),
        ("POST", "/v1/events/batch"),
        ("GET", "/v1/webhooks/x%20%5C%C3%BC"),
        ("GET", "/healthz"),
        ("GET", "/console/sign-in"),
    ],
)
async def test_a_slash_at_the_end_of_a_route_is_redirected(api: RunningApi, method: str, path: str) -> None:
    for query in ("", "?limit=1&cursor=a%2Fb"):
        answer = await api.as_acme.call(method, f"{path}/{query}", content=b"{}" if method == "POST" else None)
        assert (answer.status, answer.headers["Location"], answer.body) == (308, path + query, b"")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "//"),
        ("GET", "//host/"),
        ("GET", "//host//"),
        ("GET", "/v1/nothing/"),
        ("GET", "/v1/webhooks//"),
        ("GET", "/v1//webhooks/"),
        ("GET", "/%2Fhost/v1/webhooks/"),
        ("GET", "/v1/webhooks/a/b/"),
        ("DELETE", "/v1/webhooks/"),
        ("GET", "/\\host/"),
    ],
)
async def test_where_there_is_no_such_route_nothing_is_redirected(api: RunningApi, method: str, path: str) -> None:
    answer = await api.as_acme.call(method, path)
    assert answer.status == 404
    assert "Location" not in answer.headers


@pytest.mark.parametrize("target", [b"//host/", b"//v1/webhooks/", b"//host/v1/webhooks/", b"/\\host/"])
async def test_a_target_that_begins_with_two_slashes_leads_nowhere(served: Served, target: bytes) -> None:
    async with await served.connect() as stream:
        await stream.send_all(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target)
        answer = await read_to_end(stream)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 "))
    assert b"location" not in answer


async def test_a_client_that_follows_has_its_event_accepted_behind_a_submission_of_the_lane(
    api: RunningApi, served: Served
) -> None:
    key = api.as_acme.key or ""
    async with await served.connect() as stream:
        assert (await exchange(stream, usual_request("/v1/events", key)))[0] == 202
        assert (await exchange(stream, usual_request("/v1/events/", key)))[0] == 308
    async with await served.connect() as stream:
        status, body = await exchange(stream, usual_request("/v1/events", key))
    assert (status, orjson.loads(body)["deliveries"]) == (202, 0)
