"""Teams and their keys over the API."""

from typing import Any

import pytest

from daemon.domain.email_addresses import parse_address
from tests.support.api_client import RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")


async def test_a_team_is_made_with_the_id_that_is_given_or_with_one_of_ours(api: RunningApi) -> None:
    body = {"id": "team_12345abcde", "name": "Given", "notificationEmails": ["ops@example.com"]}
    given = await api.operator.post("/v1/teams", body)
    assert given.status == 201
    usual = {"maxWebhooks": None, "lowCredits": None, "timeZone": "UTC"}
    assert given.value == {**body, **usual, "createdAt": given.value["createdAt"]}
    made = await api.operator.post("/v1/teams", {"name": "Made"})
    assert made.value["id"].startswith("team_")
    assert made.value["notificationEmails"] == []
    listed = (await api.operator.get("/v1/teams")).value["items"]
    assert [team["name"] for team in listed] == ["Made", "Given", "Acme"]


ADDRESSES = (
    ("ann@exämple.com", True),
    ("用户@例子.广告", True),
    ('"ann bob"@example.com', True),
    ("ops@localhost", True),
    ("ann..bob@example.com", False),
    (f"{'ö' * 33}@example.com", False),
    ("ann@exam_ple.com", False),
    ("ann\u202e@example.com", False),
)


@pytest.mark.fault(
    "A notification address with an international domain or name, a quoted part, or a header hidden in it",
    "The API takes what the mailer can send to, and nothing else; the domain goes out in its ASCII form",
    cases=len(ADDRESSES),
)
async def test_the_api_takes_the_addresses_that_the_mailer_can_send_to(api: RunningApi) -> None:
    for email, taken in ADDRESSES:
        answer = await api.operator.post("/v1/teams", {"name": "n", "notificationEmails": [email]})
        assert answer.status == (201 if taken else 422), email
        assert (parse_address(email) is not None) is taken, email


async def test_a_teams_id_is_taken_once(api: RunningApi) -> None:
    answer = await api.operator.post("/v1/teams", {"id": api.acme.id, "name": "Again"})
    assert (answer.status, answer.code) == (409, "team_exists")


WRONG_TEAMS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"name": ""}, "$.name"),
    ({"name": "x" * 201}, "$.name"),
    ({"id": "", "name": "n"}, "$.id"),
    ({"id": "a/b", "name": "n"}, "$.id"),
    ({"id": "x" * 101, "name": "n"}, "$.id"),
    ({"name": "n", "notificationEmails": ["nobody"]}, "$.notificationEmails[0]"),
    ({"name": "n", "notificationEmails": ["a@b.c", "a@b.c\r\nBcc: d@e.f"]}, "$.notificationEmails[1]"),
    ({"name": "n", "notificationEmails": ["a@b.c\n"]}, "$.notificationEmails[0]"),
    ({"name": "n", "notificationEmails": "a@b.c"}, "$.notificationEmails"),
    ({"name": "n", "notificationEmails": ["a@b.c"] * 21}, "$.notificationEmails"),
    ({"name": "n", "emails": []}, "$.emails"),
)


async def test_a_wrong_team_is_422(api: RunningApi) -> None:
    for body, path in WRONG_TEAMS:
        answer = await api.operator.post("/v1/teams", body)
        assert (answer.status, answer.paths) == (422, [path]), body


async def test_a_teams_name_and_addresses_are_changed_one_by_one(api: RunningApi) -> None:
    path = f"/v1/teams/{api.acme.id}"
    renamed = await api.operator.patch(path, {"name": "Acme Corp"})
    assert (renamed.status, renamed.value["name"]) == (200, "Acme Corp")
    told = await api.operator.patch(path, {"notificationEmails": ["a@example.com"]})
    assert (told.value["name"], told.value["notificationEmails"]) == ("Acme Corp", ["a@example.com"])
    assert (await api.operator.patch(path, {"notificationEmails": []})).value["notificationEmails"] == []
    assert (await api.operator.patch(path, {"name": None})).status == 422
    assert (await api.operator.patch("/v1/teams/unknown", {})).status == 404


async def test_a_key_works_until_it_is_revoked_and_is_shown_once(api: RunningApi) -> None:
    path = f"/v1/teams/{api.acme.id}/keys"
    created = await api.operator.post(path, {"name": "CRM"})
    assert created.status == 201
    assert set(created.value) == {"id", "teamId", "name", "role", "key", "createdAt"}
    client = api.operator.with_key(created.value["key"])
    assert (await client.get("/v1/verify")).value["teamId"] == api.acme.id
    listed = await api.operator.get(path)
    assert created.value["key"].encode() not in listed.body
    assert [(key["name"], key["revokedAt"]) for key in listed.value["items"]] == [("CRM", None), ("tests", None)]
    assert (await api.operator.delete(f"/v1/keys/{created.value['id']}")).status == 204
    assert (await client.get("/v1/verify")).status == 401
    revoked = (await api.operator.get(path, limit=1)).value
    assert revoked["items"][0]["revokedAt"] is not None
    assert revoked["nextCursor"] is not None


async def test_keys_of_unknown_teams_and_unknown_keys_are_404(api: RunningApi) -> None:
    for answer in (
        await api.operator.post("/v1/teams/unknown/keys", {"name": "n"}),
        await api.operator.get("/v1/teams/unknown/keys"),
        await api.operator.delete("/v1/keys/unknown"),
    ):
        assert (answer.status, answer.code) == (404, "not_found")


async def test_a_team_has_a_quota_of_webhooks_that_the_operator_may_change(api: RunningApi) -> None:
    path = f"/v1/teams/{api.acme.id}"
    changed = await api.operator.patch(path, {"maxWebhooks": 1})
    assert (changed.status, changed.value["maxWebhooks"]) == (200, 1)
    webhook = {"name": "CRM", "url": "https://crm.example.com/hook", "events": ["*"]}
    first = await api.as_acme.post("/v1/webhooks", webhook)
    assert first.status == 201
    refused = await api.as_acme.post("/v1/webhooks", webhook)
    assert (refused.status, refused.code) == (409, "webhook_quota")
    assert "limit of 1 webhooks" in refused.value["detail"]
    assert (await api.as_acme.delete(f"/v1/webhooks/{first.value['id']}")).status == 204
    assert (await api.as_acme.post("/v1/webhooks", webhook)).status == 201
    assert (await api.operator.patch(path, {"name": "Acme Corp"})).value["maxWebhooks"] == 1
    assert (await api.operator.patch(path, {"maxWebhooks": None})).value["maxWebhooks"] is None
    assert (await api.as_acme.post("/v1/webhooks", webhook)).status == 201
    assert (await api.operator.patch(path, {"maxWebhooks": 0})).value["maxWebhooks"] == 0
    assert (await api.as_acme.post("/v1/webhooks", webhook)).code == "webhook_quota"
    assert (await api.operator.patch(path, {"maxWebhooks": -1})).status == 422
    assert (await api.as_acme.patch(path, {"maxWebhooks": 9})).status == 403


async def test_a_batch_that_makes_too_many_deliveries_is_refused_with_the_numbers(api: RunningApi) -> None:
    for number in range(3):
        await api.daemon.webhook(api.acme, f"https://{number}.example/hook")
    api.daemon.parts.router._fan_outs.waiting.limit = 300
    batch = [{"event": "linkedin.message.sent", "data": {}}] * 60
    refused = await api.as_acme.post("/v1/events/batch", batch)
    assert (refused.status, refused.code) == (413, "too_large")
    assert "180 deliveries in one submission; the limit is 150" in refused.value["detail"]
    assert (await api.as_acme.post("/v1/events/batch", batch[:50])).status == 202


async def test_a_teams_own_key_changes_its_name_and_makes_lists_and_revokes_keys(api: RunningApi) -> None:
    team = f"/v1/teams/{api.acme.id}"
    assert (await api.as_acme.patch(team, {"name": "Acme 2"})).value["name"] == "Acme 2"
    assert (await api.as_acme.get(team)).value["name"] == "Acme 2"
    made = (await api.as_acme.post(f"{team}/keys", {"name": "CI", "role": "submit"})).value
    assert made["role"] == "submit"
    listed = (await api.as_acme.get(f"{team}/keys")).value["items"]
    assert [(key["name"], key["role"]) for key in listed] == [("CI", "submit"), ("tests", "admin")]
    assert (await api.as_acme.delete(f"/v1/keys/{made['id']}")).status == 204
    assert (await api.operator.with_key(made["key"]).get("/v1/verify")).status == 401


async def test_only_the_operator_sets_the_limit_and_the_addresses_of_a_team(api: RunningApi) -> None:
    for change in ({"maxWebhooks": 5}, {"maxWebhooks": None}, {"notificationEmails": ["a@b.example"]}):
        answer = await api.as_acme.patch(f"/v1/teams/{api.acme.id}", change)
        assert (answer.status, answer.code) == (403, "operator_only")


async def test_a_key_knows_its_role(api: RunningApi) -> None:
    for role in ("admin", "submit", "read"):
        made = await api.operator.post(f"/v1/teams/{api.acme.id}/keys", {"name": role, "role": role})
        verified = (await api.operator.with_key(made.value["key"]).get("/v1/verify")).value
        assert (verified["role"], verified["teamId"]) == (role, api.acme.id)
    assert (await api.operator.get("/v1/verify")).value["role"] is None


async def test_an_unknown_role_is_refused(api: RunningApi) -> None:
    answer = await api.operator.post(f"/v1/teams/{api.acme.id}/keys", {"name": "n", "role": "owner"})
    assert (answer.status, answer.paths) == (422, ["$.role"])


async def test_the_balance_of_which_a_team_is_told_is_set_and_removed(api: RunningApi) -> None:
    made = await api.operator.post("/v1/teams", {"name": "Low", "lowCredits": 50})
    path = f"/v1/teams/{made.value['id']}"
    assert made.value["lowCredits"] == 50
    assert (await api.operator.patch(path, {"name": "Lower"})).value["lowCredits"] == 50
    assert (await api.operator.patch(path, {"lowCredits": 0})).value["lowCredits"] == 0
    assert (await api.operator.patch(path, {"lowCredits": None})).value["lowCredits"] is None
    assert (await api.operator.patch(path, {"lowCredits": -1})).status == 422
