"""A webhook's statistics over the API."""

from typing import Any

import pytest
import trio

from tests.support.api_client import RunningApi, running_api
from tests.support.daemon import FakeReceiver, statuses

pytestmark = pytest.mark.usefixtures("each_engine")


async def statistics(api: RunningApi, webhook: dict[str, Any], **query: str) -> dict[str, Any]:
    answer = await api.as_acme.get(f"/v1/webhooks/{webhook['id']}/statistics", **query)
    assert answer.status == 200, answer.body
    return dict(answer.value)


async def test_statistics_tell_what_succeeded_how_fast_and_which_errors_there_were(tmp_path: Any) -> None:
    receiver = FakeReceiver({"https://hooks.example.com/in": statuses(200, 503, 200)})
    async with running_api(tmp_path, receiver=receiver) as api:
        webhook = await api.webhook()
        await api.submit()
        await api.submit()
        with trio.fail_after(5):
            while not (found := await statistics(api, webhook))["errors"]:
                await trio.lowlevel.checkpoint()
    assert (found["range"], found["stepHours"], len(found["steps"])) == ("24h", 1, 24)
    assert (found["succeeded"], found["failed"], found["cancelled"]) == (1, 0, 0)
    assert found["errors"] == [{"outcome": "http_error", "status": 503, "attempts": 1}]
    assert found["errorsArePartial"] is False
    *_, last = found["steps"]
    assert (last["succeeded"], last["p50Ms"], last["p95Ms"]) == (1, found["p50Ms"], found["p95Ms"])
    assert 0 < found["p50Ms"] <= found["p95Ms"] <= 10_000


async def test_a_week_has_every_hour_and_a_month_every_six(api: RunningApi) -> None:
    webhook = await api.webhook()
    week, month = [await statistics(api, webhook, range=name) for name in ("7d", "30d")]
    assert (week["stepHours"], len(week["steps"])) == (1, 168)
    assert (month["stepHours"], len(month["steps"])) == (6, 120)
    assert (month["p50Ms"], month["errors"]) == (None, [])


async def test_an_unknown_range_is_refused_with_those_that_there_are(api: RunningApi) -> None:
    webhook = await api.webhook()
    refused = await api.as_acme.get(f"/v1/webhooks/{webhook['id']}/statistics", range="1y")
    assert refused.status == 422
    [wrong] = refused.value["errors"]
    assert wrong["path"] == "query.range"
    assert all(name in wrong["message"] for name in ("24h", "7d", "30d"))
