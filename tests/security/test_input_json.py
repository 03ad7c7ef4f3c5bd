"""Whatever stands in a body: a clear 4xx, never a 5xx, never a hang, and a loop that goes on meanwhile."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.app import ROUTES, create_app
from api.http.json_body import parse_in_thread
from api.http.route import Route
from api.routes.batch_parsing import array_items
from daemon.actors.threads import run_inline
from tests.security.input_bodies import UNREADABLE, bodies_like
from tests.support.api_client import running_api
from tests.support.api_live import LiveApi, live_api
from tests.support.ways import each_route_each_way, going, ways_of_path

BODIES_A_ROUTE = 100
JSON_ROUTES = [route for route in ROUTES if route.body is not None]
LARGE = bytes(100_000)
EVENT = b'{"event": "linkedin.message.sent", "data": {"d": [%s]}}'

Result = TypeVar("Result")

every_json_route = each_route_each_way(JSON_ROUTES)
WAYS_IN = sum(len(ways_of_path(route.path)) for route in JSON_ROUTES)


@pytest.mark.fault(
    "A body that is no JSON, or none that can be passed on unchanged: nesting without end, huge numbers, NaN, lone "
    "surrogates, NUL bytes, a name twice, bad UTF-8, a byte order mark, UTF-16, gzip, nothing at all",
    "400 `invalid_json` saying where; nothing is kept",
    cases=len(UNREADABLE) * WAYS_IN,
)
async def test_a_body_that_cannot_be_read_is_refused_by_every_route(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        ids = {"webhook_id": (await api.webhook())["id"], "team_id": api.acme.id}
        for route in JSON_ROUTES:
            for way in ways_of_path(route.path):
                for name, body in UNREADABLE.items():
                    with going(way):
                        answer = await api.operator.call(route.method, path_with(route, ids), content=body)
                    # One that is no array is not looked at any further.
                    is_no_array = route.name == "submit_events" and answer.code == "invalid_field"
                    is_refused = (answer.status, answer.code) == (400, "invalid_json")
                    assert is_no_array or is_refused, (route.name, way, name)
        assert (await api.operator.get("/healthz")).status == 200
        assert api.daemon.log_lines("api_error") == []


@pytest.mark.fault("A compressed body, perhaps a bomb", "415: nothing is ever decompressed", cases=8)
async def test_a_compressed_body_is_refused_unread(tmp_path: Path, way: str) -> None:
    async with running_api(tmp_path) as api:
        for encoding in ("gzip", "deflate", "br", "gzip, identity"):
            answer = await api.operator.call(
                "POST", "/v1/events", content=UNREADABLE["gzip"], headers={"Content-Encoding": encoding}
            )
            assert (answer.status, answer.code) == (415, "unsupported_media_type"), encoding


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveApi]:
    with live_api(tmp_path_factory.mktemp("state")) as api:
        yield api


@pytest.mark.fault(
    "Bodies made up by chance: any bytes, any JSON, nearly the right JSON",
    "An answer that says what is wrong, never a 5xx; no fault in the log",
    cases=BODIES_A_ROUTE * WAYS_IN,
)
@every_json_route
def test_no_body_made_up_by_chance_breaks_a_route(live: LiveApi, route: Route, way: str) -> None:
    assert route.body is not None
    url = (live.url if way == "fast lane" else live.general_url) + path_with(route, live.known_ids)
    headers = {"Authorization": f"Bearer {live.operator_key}", "Content-Type": "application/json"}

    with httpx.Client(headers=headers, timeout=5, trust_env=False, verify=False) as client:

        @given(bodies_like(route.body.example))
        @settings(
            max_examples=BODIES_A_ROUTE,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        def send(body: bytes) -> None:
            answer = client.request(route.method, url, content=body)
            assert answer.status_code < 500, (body, answer.text)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["status"] == answer.status_code
                assert answer.json()["detail"].endswith(".")

        send()
        assert client.get(live.url + "/healthz").status_code == 200


LONG: dict[str, tuple[str, bytes, int]] = {
    "an event of floats": ("/v1/events", EVENT % (b"1.5," * 60_000 + b"1"), 202),
    "an event of tiny objects": ("/v1/events", EVENT % (b"{}," * 80_000 + b"1"), 202),
    "an event of whole numbers": ("/v1/events", EVENT % (b"1," * 120_000 + b"1"), 202),
    "one event of 8 MB in a batch, of floats": (
        "/v1/events/batch",
        b"[%s]" % (EVENT % (b"1.5," * 2_000_000 + b"1")),
        413,
    ),
    "one event of 8 MB in a batch, of one text": ("/v1/events/batch", b'["%s"]' % (b"x" * 8_000_000), 413),
    "a gigantic array": ("/v1/events/batch", b"[%s1]" % (b"1," * 4_000_000), 422),
    "a thousand events": ("/v1/events/batch", b"[%s]" % b",".join([EVENT % (b"1.5," * 1_500 + b"1")] * 1_000), 202),
}


@pytest.mark.fault(
    "A large body made to be expensive: floats, tiny objects, one event of 8 MB in a batch",
    "It is read beside the event loop, and no further than an event may be long: others are answered meanwhile",
    cases=2 * len(LONG),
)
@pytest.mark.parametrize("name", LONG)
async def test_a_large_body_does_not_hold_up_the_loop(tmp_path: Path, name: str, way: str) -> None:
    path, body, status = LONG[name]
    run_in_thread = CountingHop()
    async with running_api(tmp_path) as api:
        as_acme = replace(api.as_acme, app=create_app(api.handles, run_in_thread))
        answer = await as_acme.call("POST", path, content=body)
        assert (answer.status, run_in_thread.ways) == (status, 1), answer.body
        assert not run_in_thread.was_in_the_loop


async def test_a_small_body_is_read_on_the_spot(tmp_path: Path, way: str) -> None:
    run_in_thread = CountingHop()
    async with running_api(tmp_path) as api:
        as_acme = replace(api.as_acme, app=create_app(api.handles, run_in_thread))
        assert (await as_acme.call("POST", "/v1/events", content=EVENT % b"1")).status == 202
    assert run_in_thread.ways == 0


async def test_the_garbage_collector_rests_while_a_large_body_is_read_and_only_then() -> None:
    assert not await parse_in_thread(LARGE, gc.isenabled, run_inline)
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        await parse_in_thread(LARGE, lambda: 1 // 0, run_inline)
    assert gc.isenabled()
    assert await parse_in_thread(b"{}", gc.isenabled, run_inline)


class CountingHop:
    """A hop to a thread that counts its ways, and sees to it that the loop goes on meanwhile."""

    def __init__(self) -> None:
        self.ways = 0
        self.was_in_the_loop = False

    async def __call__(self, work: Callable[[], Result], /) -> Result:
        self.ways += 1
        return await trio.to_thread.run_sync(self._do, work)

    def _do(self, work: Callable[[], Result]) -> Result:
        self.was_in_the_loop = trio.lowlevel.in_trio_run()
        return work()


async def test_a_syntax_error_in_a_long_batch_is_named_by_its_place(tmp_path: Path, way: str) -> None:
    async with running_api(tmp_path) as api:
        event = EVENT % (b"1," * 1_000 + b"1")
        body = b"[" + b",\n".join([event] * 400) + b",\n{!}]"
        answer = await api.as_acme.call("POST", "/v1/events/batch", content=body)
        assert (answer.status, answer.paths) == (400, ["$[400]"])
        assert "line 401, column 2" in answer.value["detail"]
        cut = await api.as_acme.call("POST", "/v1/events/batch", content=body[: -10 - len(event)])
        assert (cut.status, cut.code) == (400, "invalid_json")


@given(st.integers(1, 3), st.integers(0, 600))
@settings(max_examples=20, derandomize=True, database=None, deadline=None)
def test_where_a_batch_is_looked_at_through_a_window_changes_nothing(items: int, filler: int) -> None:
    values = [{"a": "é" * (200_000 + filler), "b": [filler, 1.5, "\\", '"']} for _ in range(items)]
    assert [orjson.loads(item) for item in array_items(orjson.dumps(values).decode())] == values


def path_with(route: Route, ids: Any) -> str:
    path = route.path
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", value)
    return path
