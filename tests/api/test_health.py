"""Health, readiness, metrics."""

from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.domain.errors import StoreUnavailable
from tests.store.failing import failing_writes
from tests.support.api_client import PUBLIC_URL, RunningApi, running_api

ELSEWHERE = ("192.0.2.1", 8480)


async def hang(_request: httpx.Request) -> httpx.Response:
    await trio.sleep_forever()
    raise AssertionError


async def test_alive_is_not_ready_once_the_daemon_stops(api: RunningApi) -> None:
    assert (await api.operator.get("/readyz")).value == {"status": "ready"}
    api.daemon.stop.set()
    answer = await api.operator.get("/readyz")
    assert (answer.status, answer.code) == (503, "not_ready")
    assert answer.headers["Retry-After"] == "1"
    assert (await api.operator.get("/healthz")).value == {"status": "ok"}


async def test_not_ready_says_what_is_not(api: RunningApi, autojump_clock: MockClock) -> None:
    api.daemon.stop.set()
    assert (await api.operator.get("/readyz")).value["detail"] == "The daemon is stopping: ask again in a second."


async def test_a_store_that_fails_or_hangs_is_not_ready(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def fail() -> None:
        raise StoreUnavailable("the database failed (disk I/O error)")

    for check_store, said in (
        (fail, "The database failed (disk I/O error)"),
        (trio.sleep_forever, "The store does not"),
    ):
        directory = tmp_path / check_store.__name__
        directory.mkdir()
        async with running_api(directory, check_store=check_store) as api:
            answer = await api.operator.get("/readyz")
            assert (answer.status, answer.code) == (503, "not_ready")
            assert answer.value["detail"].startswith(said)


@pytest.mark.fault(
    "The database fails, and a team's key asks whether the daemon is ready", "That it fails, not what SQLite says of it"
)
async def test_a_team_is_not_told_what_the_database_said(tmp_path: Path) -> None:
    async def fail() -> None:
        raise StoreUnavailable("the database failed (unable to open database file)")

    async with running_api(tmp_path, check_store=fail) as api:
        through_a_proxy = {"X-Forwarded-For": "192.0.2.7"}
        for answer in (
            await api.as_acme.call("GET", "/readyz", server=ELSEWHERE),
            await api.as_acme.call("GET", "/readyz", headers=through_a_proxy),
        ):
            assert (answer.status, answer.value["detail"]) == (503, "The database is failing: ask again in a second.")
        answer = await api.operator.call("GET", "/readyz", server=ELSEWHERE)
        assert "unable to open database file" in answer.value["detail"]


async def test_it_is_not_ready_as_long_as_nothing_can_be_written(api: RunningApi, autojump_clock: MockClock) -> None:
    event = {"event": "linkedin.message.sent", "data": {}}
    with failing_writes(api.daemon.database):
        assert (await api.as_acme.post("/v1/events", event)).status == 503
        for _ in range(3):
            answer = await api.operator.get("/readyz")
            assert answer.value["detail"] == "The database failed (not authorized): ask again in a second."
            await trio.sleep(60)
    assert (await api.operator.get("/readyz")).status == 200
    assert (await api.as_acme.post("/v1/events", event)).status == 202


async def test_metrics_are_prometheus_text(api: RunningApi) -> None:
    await api.submit()
    answer = await api.operator.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"kakiyo_webhooks_events_accepted_total 1.0" in answer.body


async def test_metrics_tell_of_the_backlog_as_it_is_when_they_are_asked_for(
    api: RunningApi, autojump_clock: MockClock
) -> None:
    await api.webhook()
    api.daemon.receiver.answers[PUBLIC_URL] = hang
    await api.submit()
    await trio.sleep(3)
    answer = await api.operator.get("/metrics")
    assert b"kakiyo_webhooks_pending_deliveries 1.0" in answer.body
    assert b"kakiyo_webhooks_oldest_pending_delivery_age_seconds 3.0" in answer.body
