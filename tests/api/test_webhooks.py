"""Webhooks over the API."""

import re
from typing import Any

import pytest

from tests.api.test_webhook_options import OPTIONS
from tests.support.api_client import MESSAGE_SENT, PUBLIC_URL, ApiClient, RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")

FIELDS = {
    *("id", "teamId", "name", "url", "events", "active", "consecutiveFailures", "disabledReason", "disabledAt"),
    *(
        "pausedAt",
        "resumesAt",
        "parked",
        "filterFailures",
        "hasSecret",
        "publicKey",
        "live",
        "about",
        "bodyFormat",
        "createdAt",
        "updatedAt",
    ),
    *OPTIONS,
    "proxy",
    "clientCertificate",
    "caCertificates",
}
WRONG_CHANGES: tuple[dict[str, Any], ...] = (
    {"name": ""},
    {"events": []},
    {"active": "yes"},
    {"events": ["nothing"]},
    {"id": "x"},
    {"secret": ""},
)


async def test_a_webhook_is_registered_and_shown(api: RunningApi) -> None:
    created = await api.webhook(MESSAGE_SENT, name="CRM")
    assert set(created) == FIELDS
    assert created["teamId"] == api.acme.id
    assert (created["name"], created["url"], created["events"]) == ("CRM", PUBLIC_URL, [MESSAGE_SENT])
    assert (created["active"], created["consecutiveFailures"], created["hasSecret"]) == (True, 0, False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", created["createdAt"])
    assert (await api.as_acme.get(f"/v1/webhooks/{created['id']}")).value == created


async def test_the_operator_registers_a_webhook_for_a_team(api: RunningApi) -> None:
    body = {"teamId": api.acme.id, "name": "n", "url": PUBLIC_URL, "events": ["*"]}
    created = await api.operator.post("/v1/webhooks", body)
    assert (created.status, created.value["teamId"]) == (201, api.acme.id)


async def test_an_event_type_given_twice_counts_once(api: RunningApi) -> None:
    assert (await api.webhook("*", MESSAGE_SENT, "*"))["events"] == ["*", MESSAGE_SENT]


async def test_a_secret_is_in_the_answer_that_sets_it_and_in_no_other(api: RunningApi) -> None:
    given = await api.webhook(secret="correct horse")
    generated = await api.webhook(secret="generate")
    assert given["secret"] == "correct horse"
    assert generated["secret"].startswith("whsec_")
    path = f"/v1/webhooks/{generated['id']}"
    for answer in (
        await api.as_acme.get(path),
        await api.as_acme.patch(path, {"name": "new"}),
        await api.as_acme.patch(path, {"active": True}),
    ):
        assert answer.value["hasSecret"] is True
        assert "secret" not in answer.value
    assert b"whsec_" not in (await api.as_acme.get("/v1/webhooks")).body


async def test_a_secret_is_changed_generated_anew_and_removed(api: RunningApi) -> None:
    path = f"/v1/webhooks/{(await api.webhook())['id']}"
    assert (await api.as_acme.patch(path, {"secret": "hunter2"})).value["secret"] == "hunter2"
    assert (await api.as_acme.patch(path, {"secret": "generate"})).value["secret"].startswith("whsec_")
    removed = (await api.as_acme.patch(path, {"secret": None})).value
    assert removed["hasSecret"] is False
    assert "secret" not in removed


async def test_a_change_leaves_the_rest_as_it_is(api: RunningApi) -> None:
    created = await api.webhook(secret="correct horse")
    path = f"/v1/webhooks/{created.pop('id')}"
    del created["secret"], created["updatedAt"]
    for change in ({}, {"name": "new"}, {"url": "https://other.example.com"}, {"events": [MESSAGE_SENT]}):
        answer = await api.as_acme.patch(path, change)
        created.update(change)
        assert answer.status == 200
        assert created.items() <= answer.value.items()


async def test_only_a_secret_can_be_changed_to_null(api: RunningApi) -> None:
    path = f"/v1/webhooks/{(await api.webhook())['id']}"
    for field in ("name", "url", "events", "active"):
        answer = await api.as_acme.patch(path, {field: None})
        assert (answer.status, answer.paths) == (422, [f"$.{field}"])


async def test_a_wrong_change_changes_nothing(api: RunningApi) -> None:
    created = await api.webhook()
    path = f"/v1/webhooks/{created['id']}"
    for change in WRONG_CHANGES:
        assert (await api.as_acme.patch(path, {"name": "new", **change})).status == 422, change
        assert (await api.as_acme.get(path)).value == created, change


async def test_a_webhook_is_disabled_and_enabled_again(api: RunningApi) -> None:
    path = f"/v1/webhooks/{(await api.webhook())['id']}"
    off = (await api.as_acme.patch(path, {"active": False})).value
    assert (off["active"], off["disabledReason"]) == (False, "manual")
    assert off["disabledAt"] is not None
    on = (await api.as_acme.patch(path, {"active": True})).value
    assert (on["active"], on["disabledReason"], on["disabledAt"]) == (True, None, None)


async def test_a_deleted_webhook_is_gone(api: RunningApi) -> None:
    path = f"/v1/webhooks/{(await api.webhook())['id']}"
    deleted = await api.as_acme.delete(path)
    assert (deleted.status, deleted.body) == (204, b"")
    for answer in (await api.as_acme.get(path), await api.as_acme.delete(path), await api.as_acme.patch(path, {})):
        assert (answer.status, answer.code) == (404, "not_found")
    assert (await api.as_acme.get("/v1/webhooks")).value == {"items": [], "nextCursor": None}


async def test_webhooks_are_listed_newest_first_page_by_page(api: RunningApi) -> None:
    ids = [(await api.webhook(name=str(number)))["id"] for number in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.as_acme.get("/v1/webhooks", limit=2, **cursor)).value
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == ids[::-1]


async def test_a_team_lists_its_own_webhooks_and_the_operator_all_or_one_teams(api: RunningApi) -> None:
    other, stranger = await api.another_team()
    mine = (await api.webhook())["id"]
    theirs = (await stranger.post("/v1/webhooks", {"name": "n", "url": PUBLIC_URL, "events": ["*"]})).value["id"]

    async def listed(client: ApiClient, **query: str) -> list[str]:
        return [item["id"] for item in (await client.get("/v1/webhooks", **query)).value["items"]]

    assert await listed(api.as_acme) == await listed(api.as_acme, teamId=api.acme.id) == [mine]
    assert await listed(api.operator) == [theirs, mine]
    assert await listed(api.operator, teamId=other.id) == [theirs]


async def test_recovering_queues_what_was_never_delivered(api: RunningApi) -> None:
    webhook = await api.webhook()
    path = f"/v1/webhooks/{webhook['id']}"
    await api.as_acme.patch(path, {"active": False})
    for _ in range(3):
        await api.submit()
    body = {"since": "2027-01-15T09:00:00.000+01:00"}
    refused = await api.as_acme.post(f"{path}/recover", body)
    assert (refused.status, refused.code) == (409, "webhook_inactive")
    await api.as_acme.patch(path, {"active": True})
    recovered = await api.as_acme.post(f"{path}/recover", body)
    assert (recovered.status, recovered.value) == (202, {"deliveries": 3})
    later = await api.as_acme.post(f"{path}/recover", {"since": "2050-01-01T00:00:00Z"})
    assert later.value == {"deliveries": 0}


async def test_recovering_wants_a_time(api: RunningApi) -> None:
    path = f"/v1/webhooks/{(await api.webhook())['id']}/recover"
    for body in ({}, {"since": None}, {"since": "today"}, {"since": "2027-01-15T08:00:00Z", "until": "x"}):
        assert (await api.as_acme.post(path, body)).status == 422, body
