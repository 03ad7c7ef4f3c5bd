"""Health, readiness, metrics."""

from tests.support.api_client import ApiHouse


async def test_alive_is_not_ready_once_the_daemon_stops(api: ApiHouse) -> None:
    assert (await api.operator.get("/readyz")).value == {"status": "ready"}
    api.house.stop.set()
    answer = await api.operator.get("/readyz")
    assert (answer.status, answer.code) == (503, "not_ready")
    assert answer.headers["Retry-After"] == "1"
    assert (await api.operator.get("/healthz")).value == {"status": "ok"}


async def test_metrics_are_prometheus_text(api: ApiHouse) -> None:
    await api.submit()
    answer = await api.operator.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"kakiyo_webhooks_events_accepted_total 1.0" in answer.body
