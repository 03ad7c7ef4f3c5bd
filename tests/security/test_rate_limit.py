"""How often a key may ask, in virtual time."""

from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from api.app import ROUTES
from api.limits.rate_limit import Buckets, RateLimits
from api.openapi.document import describe
from daemon.actors.threads import run_inline
from daemon.config.settings import Settings
from daemon.crypto.api_keys import Principal
from tests.support.api_client import ApiClient, RunningApi, running_api
from tests.support.daemon import make_settings


def limited(state_dir: Path, **api: float) -> Settings:
    return make_settings(state_dir, api=api)


async def ask(client: ApiClient, times: int) -> list[int]:
    return [(await client.get("/v1/verify")).status for _ in range(times)]


def lines_above_debug(api: RunningApi) -> int:
    return len([line for line in api.daemon.log_lines() if line["level"] != "debug"])


@pytest.mark.fault(
    "A key asks more often than it may",
    "429 `rate_limited` with a true Retry-After for that key; no other key notices",
)
async def test_a_key_that_asks_too_often_is_told_when_it_may_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running_api(tmp_path, settings=limited(tmp_path, rate_limit_per_s=0.5, rate_limit_burst=3)) as api:
        _, other = await api.another_team()
        assert await ask(api.as_acme, 3) == [200] * 3
        refused = await api.as_acme.get("/v1/verify")
        assert (refused.status, refused.code, refused.headers["Retry-After"]) == (429, "rate_limited", "2")
        assert "2 s" in refused.value["detail"]
        assert await ask(other, 3) == [200] * 3
        await trio.sleep(1.9)
        assert (await api.as_acme.get("/v1/verify")).headers["Retry-After"] == "1"
        await trio.sleep(0.1)
        assert await ask(api.as_acme, 2) == [200, 429]
        await trio.sleep(3600)
        assert await ask(api.as_acme, 4) == [200, 200, 200, 429]


async def test_each_answer_to_a_key_tells_what_is_left_of_its_limit(
    tmp_path: Path, autojump_clock: MockClock, way: str
) -> None:
    async with running_api(tmp_path, settings=limited(tmp_path, rate_limit_per_s=2, rate_limit_burst=5)) as api:
        event = {"event": "linkedin.message.sent", "data": {}}
        answers = [await api.as_acme.post("/v1/events", event) for _ in range(3)]
        answers.append(await api.as_acme.post("/v1/events", {}))
        answers.append(await api.as_acme.get("/v1/webhooks/none"))
        answers.append(await api.as_acme.post("/v1/events", event))
        assert [answer.status for answer in answers] == [202, 202, 202, 422, 404, 429]
        assert [answer.limit for answer in answers] == [
            *(f'"default";r={left};t={full_in_s}' for left, full_in_s in ((4, 1), (3, 1), (2, 2), (1, 2))),
            *['"default";r=0;t=1'] * 2,
        ]
        assert answers[-1].headers["Retry-After"] == "1"
        assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"default";q=5;w=3'}
        await trio.sleep(60)
        assert (await api.as_acme.get("/v1/verify")).limit == '"default";r=4;t=1'


async def test_where_no_limit_governs_none_is_told(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running_api(tmp_path) as api:
        nobody = api.operator.with_key(None)
        answers = [await api.operator.get("/v1/verify"), await nobody.get("/v1/verify"), await nobody.get("/healthz")]
        assert [answer.status for answer in answers] == [200, 401, 200]
        assert [answer.limit for answer in answers] == [None] * 3
        assert all("RateLimit-Policy" not in answer.headers for answer in answers)


async def test_a_refused_request_does_nothing_and_costs_no_token(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running_api(tmp_path, settings=limited(tmp_path, rate_limit_per_s=1, rate_limit_burst=1)) as api:
        await ask(api.as_acme, 1)
        for _ in range(50):
            webhook = {"name": "n", "url": "https://example.com", "events": ["*"]}
            assert (await api.as_acme.post("/v1/webhooks", webhook)).status == 429
        await trio.sleep(1)
        assert (await api.as_acme.get("/v1/webhooks")).value["items"] == []


async def test_each_key_of_a_team_has_its_own_limit(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running_api(tmp_path, settings=limited(tmp_path, rate_limit_per_s=1, rate_limit_burst=1)) as api:
        created = (await api.operator.post(f"/v1/teams/{api.acme.id}/keys", {"name": "second"})).value
        assert await ask(api.as_acme, 2) == [200, 429]
        assert await ask(api.operator.with_key(created["key"]), 2) == [200, 429]


async def test_a_teams_key_has_fifty_a_second_and_two_hundred_at_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running_api(tmp_path) as api:
        assert await ask(api.as_acme, 201) == [200] * 200 + [429]
        await trio.sleep(1)
        assert await ask(api.as_acme, 51) == [200] * 50 + [429]


async def test_the_operator_has_no_limit_unless_one_is_set(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running_api(tmp_path, settings=limited(tmp_path, rate_limit_burst=1)) as api:
        assert set(await ask(api.operator, 500)) == {200}
        strict = limited(tmp_path, rate_limit_burst=2, operator_rate_limit_per_s=1)
        api.daemon.parts.live.take_over(strict)
        assert await ask(api.operator, 3) == [200, 200, 429]


async def test_a_rate_of_zero_is_no_limit(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running_api(tmp_path, settings=limited(tmp_path, rate_limit_per_s=0, rate_limit_burst=1)) as api:
        assert set(await ask(api.as_acme, 300)) == {200}


async def test_health_is_never_refused_to_who_needs_no_key(tmp_path: Path, autojump_clock: MockClock) -> None:
    strict = limited(tmp_path, rate_limit_per_s=1, rate_limit_burst=1, operator_rate_limit_per_s=1)
    async with running_api(tmp_path, settings=strict) as api:
        nobody = api.operator.with_key(None)
        assert {(await nobody.get("/healthz")).status for _ in range(50)} == {200}


@pytest.mark.fault(
    "A flood of wrong keys, each another one",
    "401 each, at once: no bucket is made, nothing is kept, no log line above debug",
)
async def test_wrong_keys_take_nothing_from_the_limits_and_leave_nothing_behind(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Principal] = []
    monkeypatch.setattr(RateLimits, "take", lambda _self, who, _extra: taken.append(who))  # it returns None: go on
    async with running_api(tmp_path) as api:
        before = lines_above_debug(api)
        for number in range(1_000):
            answer = await api.operator.with_key(f"kwh_{number}").get("/v1/verify")
            assert answer.status == 401
            assert len(answer.body) < 300
        assert taken == []
        assert await ask(api.as_acme, 1) == [200]
        assert [who.team_id for who in taken] == [api.acme.id]
        assert lines_above_debug(api) == before


def test_a_bucket_gives_its_burst_and_then_exactly_its_rate() -> None:
    buckets = Buckets(per_s=50, burst=200)
    assert [buckets.take("a", 1000.0) for _ in range(201)] == [None] * 200 + [1]
    for step in range(1, 1001):
        assert [buckets.take("a", 1000.0 + step / 50) for _ in range(2)] == [None, 1]


@given(
    per_s=st.floats(0.01, 1000),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 20), min_size=1, max_size=100),
)
@settings(max_examples=200, derandomize=True, database=None)
def test_in_no_stretch_of_time_are_there_more_than_the_burst_and_the_rate(
    per_s: float, burst: int, gaps: list[float]
) -> None:
    buckets, now, taken = Buckets(per_s, burst), 0.0, list[float]()
    for gap in gaps:
        now += gap
        wait_s = buckets.take("a", now)
        left, more_in_s = buckets.left("a", now)
        assert 0 <= left < burst
        if wait_s is None:
            taken.append(now)
        else:
            assert (left, more_in_s) == (0, wait_s)
            assert wait_s >= 1
            assert Buckets(per_s, burst, dict(buckets._full_at)).take("a", now + wait_s) is None, "Retry-After is true"
    for first, start in enumerate(taken):
        for last, end in enumerate(taken[first:], first):
            assert last - first + 1 <= burst + per_s * (end - start) + 0.01


def test_a_bucket_that_is_full_again_is_forgotten() -> None:
    buckets = Buckets(per_s=1, burst=10)
    for number in range(10_000):
        assert buckets.take(f"key_{number}", number * 0.001) is None
    assert len(buckets) <= 2_000
    for _ in range(1_000):
        buckets.take("last", 1_000_000)
    assert len(buckets) == 1


def test_the_limit_is_documented_for_every_route() -> None:
    document = describe(ROUTES)
    assert document["components"]["headers"]["Retry-After"]["required"] is True
    for route in ROUTES:
        reference = document["paths"][route.path][route.method.lower()]["responses"]["429"]["$ref"]
        response = document["components"]["responses"][reference.rpartition("/")[2]]
        assert response["headers"].keys() == {"Retry-After", "RateLimit", "RateLimit-Policy"}, route.name
        assert "application/problem+json" in response["content"], route.name


@given(per_s=st.floats(0.01, 1000), burst=st.integers(1, 50), taken=st.integers(0, 60))
@settings(max_examples=200, derandomize=True, database=None)
def test_so_many_requests_as_are_left_may_come_at_once_and_after_the_wait_all_or_one(
    per_s: float, burst: int, taken: int
) -> None:
    buckets = Buckets(per_s, burst)
    for _ in range(taken):
        buckets.take("a", 0.0)
    left, more_in_s = buckets.left("a", 0.0)
    assert buckets.left("a", float(more_in_s))[0] >= (burst if left else 1)
    assert [buckets.take("a", 0.0) is None for _ in range(left + 1)] == [True] * left + [False]


def test_a_debt_is_paid_before_the_next_request_is_let_in() -> None:
    buckets = Buckets(per_s=10, burst=20)
    assert buckets.take("k", 0, 119) is None  # what it costs beyond the burst is a debt
    assert buckets.take("k", 0) == 11
    assert buckets.take("k", 10.1) is None
    buckets.charge("k", 10.1, 50)
    assert buckets.take("k", 10.1) == 6


@pytest.mark.fault(
    "A key spends the daemon's work with few requests: many deliveries, large bodies, long scans",
    "each costs tokens by its deliveries, bytes and rows: 429 with a true Retry-After; no other key notices",
)
async def test_a_request_costs_what_it_makes_the_daemon_do(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("api.app.thread_runner", lambda _threads: run_inline)  # the clock would not wait for a thread
    async with running_api(tmp_path, settings=limited(tmp_path, rate_limit_per_s=1, rate_limit_burst=10)) as api:
        _, other = await api.another_team()
        for number in range(10):
            await api.daemon.webhook(api.acme, f"https://{number}.example/hook")
        batch = [{"event": "linkedin.message.sent", "data": {}}] * 50
        assert (
            await api.as_acme.post("/v1/events/batch", batch)
        ).status == 202  # 500 deliveries: 5 tokens beside its own
        assert await ask(api.as_acme, 5) == [200] * 4 + [429]
        await trio.sleep(100)
        large = [{"event": "linkedin.message.sent", "data": {"text": "x" * 200_000}}]
        assert (await api.as_acme.post("/v1/events/batch", large)).status == 202  # 3 times 64 KiB
        assert await ask(api.as_acme, 7) == [200] * 6 + [429]
        assert await ask(other, 10) == [200] * 10


async def test_a_repetition_that_makes_nothing_does_not_cost_the_deliveries_of_the_first_request(
    tmp_path: Path, autojump_clock: MockClock, way: str
) -> None:
    async with running_api(tmp_path, settings=limited(tmp_path, rate_limit_per_s=1, rate_limit_burst=10)) as api:
        for number in range(10):
            await api.daemon.webhook(api.acme, f"https://{number}.example/hook")
        batch = [{"event": "linkedin.message.sent", "data": {}}] * 50
        first = await api.as_acme.post("/v1/events/batch", batch, **{"Idempotency-Key": "k"})  # 6 tokens
        again = await api.as_acme.post("/v1/events/batch", batch, **{"Idempotency-Key": "k"})
        assert again.value == first.value
        assert await ask(api.as_acme, 4) == [200] * 3 + [429]
