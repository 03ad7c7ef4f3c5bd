"""Operational webhooks in the console: made, shown and tried like others (contract "Operational webhooks")."""

from typing import Any

from trio.testing import MockClock

from tests.support.api_client import PUBLIC_URL, RunningApi
from tests.support.console_client import ConsoleClient

NEW: dict[str, Any] = {"name": "Ops", "url": PUBLIC_URL, "events": ["*"], "about": "operations"}


async def only_webhook(api: RunningApi, team_id: str) -> dict[str, Any]:
    [webhook] = (await api.operator.get("/v1/webhooks", teamId=team_id)).value["items"]
    return dict(webhook)


async def test_one_is_made_by_a_form_of_its_own(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    assert "webhook.failing" not in (await acme.get(f"{root}/webhooks/new")).text
    form = (await acme.get(f"{root}/webhooks/new?about=operations")).text
    assert "webhook.failing" in form
    assert "linkedin.message.sent" not in form
    led = await acme.post(f"{root}/webhooks/new", **{**NEW, "events": ["credits.low"], "bodyFormat": "slack"})
    webhook = await only_webhook(api, api.acme.id)
    assert led.location == f"{root}/webhooks/{webhook['id']}"
    assert (webhook["about"], webhook["bodyFormat"], webhook["events"]) == ("operations", "slack", ["credits.low"])
    page = (await acme.get(led.location)).text
    assert "Operations, in Slack" in page
    assert "counted and charged" not in page
    assert "Operations" in (await acme.get(f"{root}/webhooks")).text


async def test_what_was_typed_stays_with_its_mistakes(acme: ConsoleClient, root: str) -> None:
    page = await acme.post(f"{root}/webhooks/new", **{**NEW, "name": "", "bodyFormat": "slack"})
    assert page.status == 422
    assert '<option value="slack" selected>' in page.text
    assert 'name="about" value="operations"' in page.text
    page = await acme.post(f"{root}/webhooks/new", **{**NEW, "events": ["linkedin.message.sent"]})
    assert "does not exist any more" in page.text
    page = await acme.post(f"{root}/webhooks/new", **NEW, generate="1")
    assert page.value("secret").startswith("whsec_")
    assert "webhook.failing" in page.text


async def test_an_edit_keeps_its_kind(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    await acme.post(f"{root}/webhooks/new", **NEW)
    webhook = await only_webhook(api, api.acme.id)
    path = f"{root}/webhooks/{webhook['id']}/edit"
    assert "webhook.failing" in (await acme.get(path)).text
    await acme.post(path, name="Renamed", url=PUBLIC_URL, events=["webhook.disabled"], about="events")
    changed = await only_webhook(api, api.acme.id)
    assert (changed["name"], changed["events"], changed["about"]) == ("Renamed", ["webhook.disabled"], "operations")


async def test_the_operator_opens_those_of_all_teams(
    api: RunningApi, operator: ConsoleClient, acme: ConsoleClient
) -> None:
    theirs = "/console/teams/_operator"
    for _ in range(2):
        assert (await operator.post("/console/operational-webhooks")).location == f"{theirs}/webhooks"
    assert "all teams" in (await operator.get(f"{theirs}/webhooks/new")).text
    await operator.post(f"{theirs}/webhooks/new", **NEW)
    assert (await only_webhook(api, "_operator"))["about"] == "operations"
    assert (await acme.get(f"{theirs}/webhooks")).status == 404
    assert (await acme.post("/console/operational-webhooks")).status == 404


async def test_a_test_is_sent_from_its_page_and_from_its_event_types(
    api: RunningApi, acme: ConsoleClient, root: str, autojump_clock: MockClock
) -> None:
    await acme.post(f"{root}/webhooks/new", **NEW)
    webhook = await only_webhook(api, api.acme.id)
    await acme.post(f"{root}/webhooks/{webhook['id']}/test", event="webhook.failing")
    assert "webhook.failing" in (await acme.get(f"{root}/event-types")).text
    assert "is failing" in (await acme.get(f"{root}/event-types/webhook.failing")).text
    assert (await acme.post(f"{root}/event-types/webhook.failing/test")).location == f"{root}/deliveries"
    listed = (await acme.get(f"{root}/deliveries?event=webhook.failing")).text
    assert listed.count("data-row=") == 2
    assert (await acme.get(f"{root}/events?event=webhook.failing")).text.count("data-row=") == 2


async def test_a_team_has_its_threshold_for_low_credits(
    api: RunningApi, operator: ConsoleClient, acme: ConsoleClient, root: str
) -> None:
    path = f"/console/teams/{api.acme.id}"
    given = {"name": "Acme", "emails": "", "maxWebhooks": ""}
    await operator.post(path, **given, lowCredits="500")
    assert (await api.operator.get(f"/v1/teams/{api.acme.id}")).value["lowCredits"] == 500
    assert (await operator.get(path)).value("lowCredits") == "500"
    assert "falls below 500" in (await acme.get(f"{root}/settings")).text
    wrong = await operator.post(path, **given, lowCredits="a few")
    assert (wrong.status, wrong.value("lowCredits")) == (422, "a few")
    assert wrong.mistake("lowCredits").startswith("Enter a whole number")
    await operator.post(path, **given, lowCredits="")
    assert (await api.operator.get(f"/v1/teams/{api.acme.id}")).value["lowCredits"] is None
