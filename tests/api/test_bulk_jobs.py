"""Bulk jobs over the API: many deliveries resent or cancelled for one request."""

from typing import Any

import pytest
import trio

from tests.support.api_client import ApiClient, RunningApi, running_api
from tests.support.daemon import FakeReceiver, statuses

pytestmark = pytest.mark.usefixtures("each_engine")

FIELDS = {
    *("id", "teamId", "action", "status", "filter", "total", "done", "skipped", "createdBy", "createdAt", "endedAt"),
}
FILTER = {"webhookId", "eventId", "status", "event", "outcome", "httpStatus", "since", "until"}
OTHER_URL = "https://hooks.example.com/other"


async def finished(client: ApiClient, job: dict[str, Any]) -> dict[str, Any]:
    """Return the job when it is over."""
    with trio.fail_after(5):
        while job["status"] == "running":
            await trio.lowlevel.checkpoint()
            job = (await client.get(f"/v1/bulk-jobs/{job['id']}")).value
    return job


async def deliveries(api: RunningApi, **query: Any) -> list[dict[str, Any]]:
    return list((await api.as_acme.get("/v1/deliveries", limit=200, **query)).value["items"])


async def settled(api: RunningApi, count: int) -> list[dict[str, Any]]:
    with trio.fail_after(5):
        while len(over := [one for one in await deliveries(api) if one["status"] != "pending"]) < count:
            await trio.lowlevel.checkpoint()
    return over


async def with_paused(api: RunningApi, count: int) -> dict[str, Any]:
    """Return a paused webhook for which so many deliveries wait."""
    webhook = await api.webhook()
    await api.as_acme.patch(f"/v1/webhooks/{webhook['id']}", {"paused": True})
    for number in range(count):
        await api.submit(n=number)
    return webhook


async def test_what_the_filter_shows_is_counted_then_resent_once_each(tmp_path: Any) -> None:
    receiver = FakeReceiver({OTHER_URL: statuses(503)})
    async with running_api(tmp_path, receiver=receiver) as api:
        webhook = await api.webhook()
        for number in range(3):
            await api.submit(n=number)
        await settled(api, 3)
        asked = {"action": "resend", "filter": {"webhookId": webhook["id"], "status": ["succeeded", "failed"]}}
        preview = (await api.as_acme.post("/v1/bulk-jobs/preview", asked)).value
        answer = await api.as_acme.post("/v1/bulk-jobs", asked)
        job = await finished(api.as_acme, answer.value)
        all_of_them = await settled(api, 6)
    assert preview == {"action": "resend", "count": 3, "isExact": True}
    assert (answer.status, set(answer.value), set(answer.value["filter"])) == (202, FIELDS, FILTER)
    assert (job["status"], job["total"], job["done"], job["skipped"]) == ("finished", 3, 3, 0)
    assert (job["createdBy"], job["filter"]["status"]) == ("tests", ["succeeded", "failed"])
    resent, first = all_of_them[:3], all_of_them[3:]
    assert [one["origin"] for one in resent] == [{"kind": "resend", "deliveryId": one["id"]} for one in first]
    assert [one["eventId"] for one in resent] == [one["eventId"] for one in first]


async def test_what_is_named_is_cancelled_and_what_has_ended_is_left_out(tmp_path: Any) -> None:
    async with running_api(tmp_path) as api:
        await with_paused(api, 4)
        ids = [one["id"] for one in await deliveries(api)]
        asked = {"action": "cancel", "deliveryIds": [ids[0], ids[2], ids[2], "dlv_unknown"]}
        job = await finished(api.as_acme, (await api.as_acme.post("/v1/bulk-jobs", asked)).value)
        again = await finished(api.as_acme, (await api.as_acme.post("/v1/bulk-jobs", asked)).value)
        shown = await deliveries(api)
    assert (job["total"], job["done"], job["skipped"], job["filter"]) == (2, 2, 0, None)
    assert (again["total"], again["done"]) == (0, 0)
    assert [one["status"] for one in shown] == ["cancelled", "pending", "cancelled", "pending"]
    assert [one["cancelReason"] for one in shown] == ["requested", None, "requested", None]


async def test_a_resend_takes_what_has_ended_and_a_cancel_what_is_pending(tmp_path: Any) -> None:
    async with running_api(tmp_path) as api:
        webhook = await api.webhook()
        await api.submit()
        await settled(api, 1)
        await api.as_acme.patch(f"/v1/webhooks/{webhook['id']}", {"paused": True})
        await api.submit()
        counts = {
            (action, status): (
                await api.as_acme.post("/v1/bulk-jobs/preview", {"action": action, "filter": {"status": [status]}})
            ).value["count"]
            for action in ("resend", "cancel")
            for status in ("pending", "succeeded")
        }
    assert counts == {
        ("resend", "pending"): 0,
        ("resend", "succeeded"): 1,
        ("cancel", "pending"): 1,
        ("cancel", "succeeded"): 0,
    }


async def test_what_is_erased_or_for_a_webhook_that_gets_none_is_not_resent(tmp_path: Any) -> None:
    async with running_api(tmp_path) as api:
        disabled, deleted, kept = [await api.webhook() for _ in range(3)]
        await api.submit()
        await settled(api, 3)
        await api.as_acme.patch(f"/v1/webhooks/{disabled['id']}", {"active": False})
        await api.as_acme.delete(f"/v1/webhooks/{deleted['id']}")
        answer = await api.as_acme.post("/v1/bulk-jobs", {"action": "resend", "filter": {}})
        job = await finished(api.as_acme, answer.value)
        resent = [one for one in await deliveries(api) if one["origin"] is not None]
    assert (job["total"], job["done"]) == (1, 1)
    assert [one["webhookId"] for one in resent] == [kept["id"]]


async def test_another_teams_deliveries_and_jobs_do_not_exist(tmp_path: Any) -> None:
    async with running_api(tmp_path) as api:
        webhook = await with_paused(api, 2)
        [one, _] = await deliveries(api)
        _, other = await api.another_team()
        named = {"action": "cancel", "deliveryIds": [one["id"]]}
        chosen = [{"webhookId": webhook["id"]}, {"eventId": one["eventId"]}, {}]
        tried = [named, *({"action": "cancel", "filter": wanted} for wanted in chosen)]
        counts = [(await other.post("/v1/bulk-jobs/preview", asked)).value["count"] for asked in tried]
        for asked in tried:
            await finished(other, (await other.post("/v1/bulk-jobs", asked)).value)
        own = (await api.as_acme.post("/v1/bulk-jobs", {**named, "action": "resend"})).value
        refused = [
            await other.get(f"/v1/bulk-jobs/{own['id']}"),
            await other.post(f"/v1/bulk-jobs/{own['id']}/cancel", {}),
            await other.post("/v1/bulk-jobs", {**named, "teamId": api.acme.id}),
        ]
        listed = (await other.get("/v1/bulk-jobs")).value["items"]
        shown = await deliveries(api)
    assert counts == [0, 0, 0, 0]
    assert [answer.code for answer in refused] == ["not_found"] * 3
    assert own["id"] not in [job["id"] for job in listed]
    assert [delivery["status"] for delivery in shown] == ["pending", "pending"]


async def test_the_operator_says_which_team_and_may_see_each_teams_jobs(tmp_path: Any) -> None:
    async with running_api(tmp_path) as api:
        await with_paused(api, 2)
        asked = {"action": "cancel", "filter": {}}
        refused = await api.operator.post("/v1/bulk-jobs", asked)
        job = (await api.operator.post("/v1/bulk-jobs", {**asked, "teamId": api.acme.id})).value
        job = await finished(api.operator, job)
        listed = (await api.operator.get("/v1/bulk-jobs", teamId=api.acme.id)).value["items"]
    assert (refused.status, refused.paths) == (422, ["$.teamId"])
    assert (job["done"], listed) == (2, [job])


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({}, "$.filter"),
        ({"filter": {}, "deliveryIds": ["dlv_1"]}, "$.filter"),
        ({"deliveryIds": []}, "$.deliveryIds"),
        ({"deliveryIds": ["dlv_1"] * 1_001}, "$.deliveryIds"),
        ({"filter": {"status": ["done"]}}, "$.filter.status[0]"),
        ({"filter": {"since": "1h", "until": "2h"}}, "$.filter.until"),
        ({"filter": {"teamId": "team_1"}}, "$.filter.teamId"),
        ({"filter": {}, "action": "destroy"}, "$.action"),
    ],
)
async def test_a_wrong_field_is_named(tmp_path: Any, wrong: dict[str, Any], path: str) -> None:
    async with running_api(tmp_path) as api:
        for route in ("/v1/bulk-jobs", "/v1/bulk-jobs/preview"):
            answer = await api.as_acme.post(route, {"action": "resend", **wrong})
            assert (answer.status, answer.paths) == (422, [path])


async def test_a_huge_body_is_refused(tmp_path: Any) -> None:
    async with running_api(tmp_path) as api:
        answer = await api.as_acme.post("/v1/bulk-jobs", {"action": "resend", "deliveryIds": ["dlv_" + "x" * 600_000]})
    assert answer.status == 413


async def test_a_team_has_five_jobs_at_once_and_each_may_be_cancelled(tmp_path: Any) -> None:
    async with running_api(tmp_path) as api:
        await with_paused(api, 1)
        asked = {"action": "cancel", "filter": {}}
        # An actor that does not answer: the first job stays at its first page.
        api.daemon.parts.fleet.request_change = lambda *_: None  # type: ignore[method-assign]
        jobs = [(await api.as_acme.post("/v1/bulk-jobs", asked)).value for _ in range(5)]
        refused = await api.as_acme.post("/v1/bulk-jobs", asked)
        cancelled = (await api.as_acme.post(f"/v1/bulk-jobs/{jobs[4]['id']}/cancel", {})).value
        again = (await api.as_acme.post(f"/v1/bulk-jobs/{jobs[4]['id']}/cancel", {})).value
        accepted = await api.as_acme.post("/v1/bulk-jobs", asked)
    assert (refused.status, refused.code) == (409, "bulk_job_quota")
    assert cancelled["status"] == "cancelled"
    assert again == cancelled
    assert accepted.status == 202


async def test_a_repetition_with_the_same_key_makes_no_second_job(tmp_path: Any) -> None:
    async with running_api(tmp_path) as api:
        await api.webhook()
        await api.submit()
        await settled(api, 1)
        asked = {"action": "resend", "filter": {"status": ["succeeded"]}}
        first = await api.as_acme.post("/v1/bulk-jobs", asked, **{"Idempotency-Key": "once"})
        again = await api.as_acme.post("/v1/bulk-jobs", asked, **{"Idempotency-Key": "once"})
        other = await api.as_acme.post("/v1/bulk-jobs", {**asked, "action": "cancel"}, **{"Idempotency-Key": "once"})
        await finished(api.as_acme, first.value)
        shown = await settled(api, 2)
    assert first.value == again.value
    assert other.code == "idempotency_conflict"
    assert len(shown) == 2


async def test_the_audit_trail_tells_who_asked_for_what_and_how_many(tmp_path: Any) -> None:
    async with running_api(tmp_path) as api:
        webhook = await with_paused(api, 2)
        asked = {"action": "cancel", "filter": {"webhookId": webhook["id"], "until": "2040-01-01T00:00:00Z"}}
        job = await finished(api.as_acme, (await api.as_acme.post("/v1/bulk-jobs", asked)).value)
        await api.as_acme.post(f"/v1/bulk-jobs/{job['id']}/cancel", {})
        trail = (await api.as_acme.get(f"/v1/teams/{api.acme.id}/audit", subjectId=job["id"])).value["items"]
    [entry] = trail
    assert (entry["action"], entry["keyName"]) == ("bulk_job.created", "tests")
    assert entry["changes"] == {
        "does": "cancel",
        "count": 2,
        "filter": {"webhookId": webhook["id"], "until": "2040-01-01T00:00:00.000Z"},
    }


async def test_a_resend_of_many_costs_what_its_deliveries_cost(tmp_path: Any) -> None:
    async with running_api(tmp_path) as api:
        await api.webhook()
        for number in range(3):
            await api.submit(n=number)
        first = await settled(api, 3)
        asked = {"action": "resend", "deliveryIds": [one["id"] for one in first]}
        await finished(api.as_acme, (await api.as_acme.post("/v1/bulk-jobs", asked)).value)
        await settled(api, 6)
        balance = (await api.as_acme.get("/v1/credits")).value["balance"]
    assert balance == -12
