"""What the buttons do: the same as the API's routes."""

from typing import Any

import trio
from trio.testing import MockClock

from tests.support.api_client import MESSAGE_SENT, RunningApi
from tests.support.console_client import ConsoleClient
from tests.support.daemon import statuses

MESSAGE_RECEIVED = "linkedin.message.received"


async def webhook_of(api: RunningApi, webhook_id: str) -> dict[str, Any]:
    return dict((await api.as_acme.get(f"/v1/webhooks/{webhook_id}")).value)


async def deliveries_of(api: RunningApi) -> list[dict[str, Any]]:
    return list((await api.as_acme.get("/v1/deliveries")).value["items"])


async def test_disable_and_enable(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    webhook = (await api.webhook())["id"]
    led = await acme.post(f"{root}/webhooks/{webhook}/disable")
    assert "it gets no deliveries" in (await acme.get(led.location)).text
    assert (await webhook_of(api, webhook))["disabledReason"] == "manual"
    await acme.post(f"{root}/webhooks/{webhook}/enable")
    assert (await webhook_of(api, webhook))["active"] is True


async def test_a_webhook_that_failed_says_what_it_missed_and_gets_it(
    api: RunningApi, acme: ConsoleClient, root: str, autojump_clock: MockClock
) -> None:
    webhook = await api.webhook()
    api.daemon.receiver.answers[webhook["url"]] = statuses(*[503] * 16, 200)
    for number in range(4):
        await api.submit(number=number)
    await trio.sleep(60)
    for number in range(4, 7):
        await api.submit(number=number)
    path = f"{root}/webhooks/{webhook['id']}"
    page = await acme.get(path)
    assert "Re-enable and recover 7 missed events" in page.text
    assert page.text.count("the receiver answered 503") == 4
    led = await acme.post(f"{path}/enable", recover="1")
    assert "queued again, in order: 7." in (await acme.get(led.location)).text
    await trio.sleep(1)
    succeeded = [each for each in await deliveries_of(api) if each["status"] == "succeeded"]
    assert len(succeeded) == 7
    assert "missed event" not in (await acme.get(path)).text


async def test_recovering_what_was_missed_since_a_time(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    await api.submit()
    webhook = (await api.webhook())["id"]
    led = await acme.post(f"{root}/webhooks/{webhook}/recover", since="2020-01-01T00:00")
    assert "queued again, in order: 1." in (await acme.get(led.location)).text
    again = await acme.post(f"{root}/webhooks/{webhook}/recover", since="2020-01-01T00:00")
    assert "Nothing was missed since then." in (await acme.get(again.location)).text


async def test_a_test_goes_to_this_webhook_alone(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    await api.webhook()
    webhook = (await api.webhook())["id"]
    led = await acme.post(f"{root}/webhooks/{webhook}/test", event=MESSAGE_RECEIVED)
    assert "The test is on its way" in (await acme.get(led.location)).text
    [delivery] = await deliveries_of(api)
    assert (delivery["webhookId"], delivery["event"], delivery["test"]) == (webhook, MESSAGE_RECEIVED, True)


async def test_a_test_of_an_event_type_goes_to_all_that_subscribe(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    path = f"{root}/event-types/{MESSAGE_SENT}/test"
    led = await acme.post(path)
    assert "nothing was sent" in (await acme.get(led.location)).text
    subscribers = {(await api.webhook())["id"], (await api.webhook(MESSAGE_SENT))["id"]}
    await api.webhook(MESSAGE_RECEIVED)
    await acme.post(path)
    assert {delivery["webhookId"] for delivery in await deliveries_of(api)} == subscribers


async def test_resend_leads_to_the_new_delivery(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    await api.webhook()
    await api.submit()
    [first] = await deliveries_of(api)
    led = await acme.post(f"{root}/deliveries/{first['id']}/resend")
    [second, _] = await deliveries_of(api)
    assert led.location.endswith(f"/deliveries/{second['id']}")
    assert second["eventId"] == first["eventId"]


async def test_resend_to_a_disabled_webhook_is_explained(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    webhook = (await api.webhook())["id"]
    await api.submit()
    [delivery] = await deliveries_of(api)
    await acme.post(f"{root}/webhooks/{webhook}/disable")
    assert "re-enable it" in (await acme.get(f"{root}/deliveries/{delivery['id']}")).text
    page = await acme.post(f"{root}/deliveries/{delivery['id']}/resend")
    assert page.status == 409
    assert "is disabled" in page.text


async def test_a_deleted_webhooks_deliveries_stay(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    webhook = (await api.webhook())["id"]
    await api.submit()
    [delivery] = await deliveries_of(api)
    led = await acme.post(f"{root}/webhooks/{webhook}/delete")
    assert "The webhook is deleted." in (await acme.get(led.location)).text
    page = await acme.get(f"{root}/deliveries/{delivery['id']}")
    assert (page.status, "Its webhook was deleted" in page.text) == (200, True)
    assert (await acme.get(f"{root}/webhooks/{webhook}")).status == 404


async def test_a_secret_is_rotated_with_an_overlap_and_removed(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    path = f"{root}/webhooks/{(await api.webhook(secret='s' * 20))['id']}"
    led = await acme.post(f"{path}/secret", secret="t" * 20, hours="24")
    page = await acme.get(led.location)
    assert "t" * 20 in page.text
    assert "the previous secret signs, too" in page.text
    await acme.post(f"{path}/secret/remove")
    assert "No: it has no secret" in (await acme.get(path)).text


async def test_a_first_secret_has_no_previous_one_to_ask_about(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    path = f"{root}/webhooks/{(await api.webhook())['id']}"
    assert 'name="hours"' not in (await acme.get(f"{path}/secret")).text
    led = await acme.post(f"{path}/secret", secret="t" * 20)
    assert "the previous secret" not in (await acme.get(led.location)).text
    assert 'name="hours"' in (await acme.get(f"{path}/secret")).text


async def test_the_body_is_downloaded_as_it_was_sent(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    await api.webhook()
    await api.submit(greeting="grüß dich")
    [delivery] = await deliveries_of(api)
    file = await acme.get(f"{root}/deliveries/{delivery['id']}/body")
    assert file.text.encode() == api.daemon.receiver.arrivals[0].body
    assert file.headers["Content-Disposition"] == f'attachment; filename="{delivery["eventId"]}.json"'
    assert file.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_operator_makes_a_team_a_key_that_works_and_a_grant(api: RunningApi, operator: ConsoleClient) -> None:
    led = await operator.post("/console/teams", name="Globex", id="team_globex", emails="a@example.com\nb@example.com")
    assert led.location == "/console/teams/team_globex"
    made = await operator.post("/console/teams/team_globex/keys", key_name="billing")
    shown = (await operator.get(made.location)).text
    key = shown.partition("copy it now</h2>")[2].partition("<code>")[2].partition("</code>")[0]
    await operator.post("/console/teams/team_globex/grants", amount="500", note="welcome")
    globex = api.operator.with_key(key)
    assert (await globex.get("/v1/credits")).value["balance"] == 500
    [entry] = (await globex.get("/v1/credits/entries")).value["items"]
    assert entry["note"] == "welcome"
    await operator.post("/console/teams/team_globex", name="Globex Corp", emails="a@example.com")
    [team, *_] = (await api.operator.get("/v1/teams")).value["items"]
    assert (team["name"], team["notificationEmails"]) == ("Globex Corp", ["a@example.com"])
    [made_key] = (await api.operator.get("/v1/teams/team_globex/keys")).value["items"]
    await operator.post(f"/console/teams/team_globex/keys/{made_key['id']}/revoke")
    assert (await globex.get("/v1/credits")).status == 401


async def test_the_operator_sets_a_teams_limit_of_webhooks_and_takes_it_back(
    api: RunningApi, operator: ConsoleClient
) -> None:
    async def limit() -> int | None:
        [team, *_] = (await api.operator.get("/v1/teams")).value["items"]
        found: int | None = team["maxWebhooks"]
        return found

    path, settings = "/console/teams/team_globex", {"name": "Globex", "emails": ""}
    await operator.post("/console/teams", id="team_globex", maxWebhooks="7", **settings)
    assert (await limit(), (await operator.get(path)).value("maxWebhooks")) == (7, "7")
    await operator.post(path, maxWebhooks=" 250 ", **settings)
    assert await limit() == 250
    for wrong in ("many", "-1", "1.5", "1000000"):
        page = await operator.post(path, maxWebhooks=wrong, **settings)
        assert (page.status, page.value("maxWebhooks")) == (422, wrong)
        assert "whole number" in page.mistake("maxWebhooks")
    await operator.post(path, **settings)
    assert await limit() == 250, "a form without the field leaves it as it is"
    await operator.post(path, maxWebhooks="", **settings)
    assert (await limit(), (await operator.get(path)).value("maxWebhooks")) == (None, "")


async def test_a_team_that_asks_too_often_waits(
    api: RunningApi, acme: ConsoleClient, autojump_clock: MockClock
) -> None:
    pages = [await acme.get(f"/console/teams/{api.acme.id}/event-types") for _ in range(205)]
    refused = [page for page in pages if page.status == 429]
    assert refused
    assert "Retry-After" in refused[0].headers
    assert "One moment, please" in refused[0].text
