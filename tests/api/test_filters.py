"""Filters over the API: tried, refused with their place, and shown when they fail (contract "Filters")."""

from typing import Any

import pytest

from tests.support.api_client import MESSAGE_SENT, PUBLIC_URL, RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")
PATH = "/v1/webhooks/filter/test"


async def test_a_filter_is_tried_on_an_example_on_a_given_event_and_on_one_that_was_accepted(api: RunningApi) -> None:
    event = {"event": MESSAGE_SENT, "data": {"amount": 11}}
    accepted = (await api.as_acme.post("/v1/events", event)).value["id"]
    for body, matched in (
        ({"filter": f"event == '{MESSAGE_SENT}'", "eventType": MESSAGE_SENT}, True),
        ({"filter": "event == 'a.b'", "eventType": MESSAGE_SENT}, False),
        ({"filter": "data.amount > `10`", "event": event}, True),
        ({"filter": "data.amount > `11`", "event": event}, False),
        ({"filter": "data.amount > `10`", "eventId": accepted}, True),
        ({"filter": "teamId == 'team_other'", "eventId": accepted}, False),
    ):
        tried = await api.as_acme.post(PATH, body)
        assert (tried.status, tried.value["matched"], tried.value["error"]) == (200, matched, None)
        assert tried.value["steps"] > 1


async def test_a_filter_that_fails_in_a_test_says_why(api: RunningApi) -> None:
    event = {"event": MESSAGE_SENT, "data": {"l": [1] * 5_000}}
    for text, error in (
        ("starts_with(data.l, 'x')", "starts_with() got an array where it takes string"),
        ("data.l[?@ == `2`]", "it takes more than 4,000 steps for this event: make it look at less of it"),
    ):
        tried = await api.as_acme.post(PATH, {"filter": text, "event": event})
        assert (tried.status, tried.value["matched"], tried.value["error"]) == (200, False, error)


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        ({"filter": "data"}, 422, "$"),
        ({"filter": "data", "eventType": MESSAGE_SENT, "eventId": "evt_1"}, 422, "$"),
        ({"filter": "data ==", "eventType": MESSAGE_SENT}, 422, "$.filter"),
        ({"filter": None, "eventType": MESSAGE_SENT}, 422, "$.filter"),
        ({"filter": "data", "eventType": "no.type"}, 422, "$.eventType"),
        ({"filter": "data", "event": {"event": "a.b"}}, 422, "$.event.data"),
        ({"filter": "data", "event": {"event": "a.b", "data": {"a": "x" * 300_000}}}, 413, None),
        ({"filter": "data", "eventId": "evt_unknown"}, 404, None),
    ],
)
async def test_a_wrong_test_is_refused_with_its_place(
    api: RunningApi, body: dict[str, Any], status: int, path: str | None
) -> None:
    refused = await api.as_acme.post(PATH, body)
    assert refused.status == status
    assert [each["path"] for each in refused.value.get("errors", [])] == ([] if path is None else [path])


async def test_what_is_no_filter_is_refused_with_line_and_column(api: RunningApi) -> None:
    body = {"name": "n", "url": PUBLIC_URL, "events": ["*"], "filter": "data.a &&\ndata.b > 5"}
    [error] = (await api.as_acme.post("/v1/webhooks", body)).value["errors"]
    assert error["path"] == "$.filter"
    assert error["message"] == "at line 2, column 10: 5 does not belong here: write numbers as `10`"


async def test_a_webhook_shows_how_its_filter_failed_until_it_is_changed(api: RunningApi) -> None:
    webhook = await api.webhook(filter="length(data.missing) > `1`")
    path = f"/v1/webhooks/{webhook['id']}"
    assert webhook["filterFailures"] is None
    receipt = await api.as_acme.post("/v1/events", {"event": MESSAGE_SENT, "data": {}})
    assert receipt.value["deliveries"] == 0
    failures = (await api.as_acme.get(path)).value["filterFailures"]
    assert failures["count"] == 1
    assert failures["lastError"] == "length() got null where it takes string or array or object"
    changed = (await api.as_acme.patch(path, {"filter": "data.amount"})).value
    assert changed["filterFailures"] is None


async def test_the_audit_trail_shows_a_changed_filter(api: RunningApi) -> None:
    webhook = await api.webhook()
    await api.as_acme.patch(f"/v1/webhooks/{webhook['id']}", {"filter": "data.a"})
    newest = (await api.operator.get(f"/v1/teams/{api.acme.id}/audit")).value["items"][0]
    assert newest["changes"] == {"filter": {"from": None, "to": "data.a"}}


async def test_trying_keeps_and_sends_nothing(api: RunningApi) -> None:
    await api.webhook(filter="data")
    tried = await api.as_acme.post(PATH, {"filter": "data", "eventType": MESSAGE_SENT})
    assert tried.value["matched"]
    for path in ("/v1/events", "/v1/deliveries"):
        assert (await api.as_acme.get(path)).value["items"] == []
