"""Operational webhooks over the API (contract "Operational webhooks"): who registers which, and attacks on it."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.errors import UrlNotAllowed
from daemon.domain.operations import OPERATIONAL_TYPES
from tests.support.api_client import MESSAGE_SENT, PUBLIC_URL, ApiClient, RunningApi, running_api
from tests.support.daemon import make_settings, statuses

pytestmark = pytest.mark.usefixtures("each_engine")

NEW: dict[str, Any] = {"name": "Ops", "url": PUBLIC_URL, "events": ["*"], "about": "operations"}


async def created(client: ApiClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/v1/webhooks", {**NEW, **fields})
    assert answer.status == 201, answer.value
    return dict(answer.value)


async def test_a_team_registers_one_for_itself(api: RunningApi) -> None:
    made = await created(api.as_acme, events=["webhook.failing", "credits.low"], bodyFormat="slack")
    assert (made["teamId"], made["about"], made["bodyFormat"]) == (api.acme.id, "operations", "slack")
    assert (await api.as_acme.get(f"/v1/webhooks/{made['id']}")).value == made
    usual = await api.webhook()
    assert (usual["about"], usual["bodyFormat"]) == ("events", "standard")


async def test_the_operator_registers_one_for_all_teams_and_its_team_is_made_once(api: RunningApi) -> None:
    assert (await api.operator.get("/v1/teams/_operator")).status == 404
    first, second = await created(api.operator), await created(api.operator, teamId="_operator")
    assert first["teamId"] == second["teamId"] == "_operator"
    assert (await api.operator.get("/v1/teams/_operator")).value["name"] == "Operator"
    trail = (await api.operator.get("/v1/teams/_operator/audit")).value["items"]
    assert [entry["action"] for entry in trail] == ["webhook.created", "webhook.created", "team.created"]
    assert trail[0]["changes"]["about"] == {"from": None, "to": "operations"}


async def test_the_operator_registers_one_for_a_team(api: RunningApi) -> None:
    assert (await created(api.operator, teamId=api.acme.id))["teamId"] == api.acme.id


@pytest.mark.fault(
    "A team registers an operational webhook for another team, or for the operator, to learn of the others",
    "404, as for every team that is not its own; nothing is registered, and nobody can make a team of that name",
)
async def test_a_team_cannot_register_one_for_another_team_or_for_all(api: RunningApi) -> None:
    other, _ = await api.another_team()
    await created(api.operator)
    for team_id in (other.id, "_operator"):
        assert (await api.as_acme.post("/v1/webhooks", {**NEW, "teamId": team_id})).status == 404
    theirs = (await api.operator.get("/v1/webhooks", teamId="_operator")).value["items"]
    assert len(theirs) == 1
    for answer in (
        await api.as_acme.get(f"/v1/webhooks/{theirs[0]['id']}"),
        await api.as_acme.patch(f"/v1/webhooks/{theirs[0]['id']}", {"url": "https://evil.example"}),
        await api.as_acme.delete(f"/v1/webhooks/{theirs[0]['id']}"),
    ):
        assert answer.status == 404
    refused = await api.operator.post("/v1/teams", {"id": "_operator", "name": "Not the operator"})
    assert (refused.status, refused.paths) == (422, ["$.id"])


async def test_keys_that_read_or_submit_register_none(api: RunningApi) -> None:
    for role in ("read", "submit"):
        key = (await api.operator.post(f"/v1/teams/{api.acme.id}/keys", {"name": role, "role": role})).value["key"]
        answer = await api.operator.with_key(key).post("/v1/webhooks", NEW)
        assert (answer.status, answer.code) == (403, "role_not_enough")


async def test_each_kind_takes_its_own_event_types_and_keeps_its_kind(api: RunningApi) -> None:
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"events": ["webhook.failing", MESSAGE_SENT]}, "$.events[1]"),
        ({"about": "events", "events": [MESSAGE_SENT, "credits.low"]}, "$.events[1]"),
        ({"about": "events", "bodyFormat": "slack"}, "$.bodyFormat"),
        ({"about": "everything"}, "$.about"),
        ({"bodyFormat": "teams"}, "$.bodyFormat"),
        ({"events": ["webhook.exploded"]}, "$.events[0]"),
    )
    for fields, path in wrong:
        answer = await api.as_acme.post("/v1/webhooks", {**NEW, **fields})
        assert (answer.status, answer.paths) == (422, [path]), fields
    path = f"/v1/webhooks/{(await created(api.as_acme))['id']}"
    assert (await api.as_acme.patch(path, {"events": [MESSAGE_SENT]})).paths == ["$.events[0]"]
    assert (await api.as_acme.patch(path, {"events": ["credits.low"]})).value["events"] == ["credits.low"]
    for fields in ({"about": "events"}, {"bodyFormat": "slack"}):
        assert (await api.as_acme.patch(path, fields)).status == 422


async def test_all_mistakes_of_a_new_one_are_told_at_once(api: RunningApi) -> None:
    answer = await api.as_acme.post("/v1/webhooks", {**NEW, "name": "", "events": [MESSAGE_SENT]})
    assert answer.paths == ["$.name", "$.events[0]"]


@pytest.mark.fault(
    "A team submits operational events of its own, to deceive whoever is told, or to be delivered to without credits",
    "422: only the daemon submits them",
)
async def test_nobody_submits_operational_events(api: RunningApi) -> None:
    for client in (api.as_acme, api.operator):
        event = {"event": "webhook.failing", "teamId": api.acme.id, "data": {}}
        assert (await client.post("/v1/events", event)).paths == ["$.event"]
        assert (await client.post("/v1/events/batch", [event])).paths == ["$[0].event"]


async def test_their_event_types_are_listed_apart_with_examples(api: RunningApi) -> None:
    usual = (await api.as_acme.get("/v1/webhooks/test/events")).value["items"]
    assert not OPERATIONAL_TYPES & {event_type["id"] for event_type in usual}
    listed = (await api.as_acme.get("/v1/webhooks/test/events", about="operations")).value["items"]
    assert {event_type["id"] for event_type in listed} == OPERATIONAL_TYPES
    for name in OPERATIONAL_TYPES:
        example = (await api.as_acme.get(f"/v1/webhooks/test/example/{name}")).value
        assert (example["event"], bool(example["data"]["text"])) == (name, True)


@pytest.mark.settings(credits={"enforce": True})
async def test_a_test_reaches_them_alone_and_waits_for_no_credits(api: RunningApi, autojump_clock: MockClock) -> None:
    await api.webhook()
    ops = await created(api.as_acme)
    started = (await api.as_acme.post("/v1/webhooks/test", {"event": "credits.exhausted"})).value
    assert [delivery["webhookId"] for delivery in started["deliveries"]] == [ops["id"]]
    await trio.sleep(1)
    [delivery] = (await api.as_acme.get("/v1/deliveries", event="credits.exhausted")).value["items"]
    assert (delivery["status"], delivery["test"]) == ("succeeded", True)
    assert (await api.as_acme.get("/v1/credits/entries")).value["items"] == []


async def test_what_waits_for_them_does_not_wait_for_credits(tmp_path: Any, autojump_clock: MockClock) -> None:
    async with running_api(tmp_path, settings=make_settings(tmp_path, credits={"enforce": True})) as api:
        await created(api.as_acme)
        api.daemon.receiver.answers[PUBLIC_URL] = statuses(500)
        await api.as_acme.post("/v1/webhooks/test", {"event": "credits.exhausted"})
        [delivery] = (await api.as_acme.get("/v1/deliveries", status="pending")).value["items"]
        assert delivery["waitingForCredits"] is False


async def test_a_delivery_of_theirs_is_resent_like_any_other(api: RunningApi, autojump_clock: MockClock) -> None:
    await created(api.as_acme)
    started = (await api.as_acme.post("/v1/webhooks/test", {"event": "webhook.failing"})).value
    await trio.sleep(1)
    again = await api.as_acme.post(f"/v1/deliveries/{started['deliveries'][0]['id']}/resend", {})
    assert again.status == 202
    await trio.sleep(1)
    assert len(api.daemon.receiver.at(PUBLIC_URL)) == 2


async def refuse_url(url: str, _team_id: str) -> None:
    raise UrlNotAllowed(url, "the host is on a private network: use a public address")


@pytest.mark.fault(
    "An operational webhook, of a team or of the operator, is to call an address of the inside",
    "The rules for URLs are those of all webhooks: 422 at registration, and checked again at each connect",
)
async def test_their_urls_obey_the_rules_of_all(tmp_path: Any) -> None:
    async with running_api(tmp_path, check_url=refuse_url) as api:
        for client in (api.as_acme, api.operator):
            answer = await client.post("/v1/webhooks", {**NEW, "url": "https://169.254.169.254/"})
            assert (answer.status, answer.code) == (422, "url_not_allowed")
        assert (await api.operator.get("/v1/webhooks")).value["items"] == []
