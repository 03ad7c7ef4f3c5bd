"""Forms: what is wrong stands beside its field, all at once, and nothing that was typed is lost."""

import re
from pathlib import Path
from typing import Any

from daemon.domain.errors import UrlNotAllowed
from tests.console.conftest import signed_in
from tests.support.api_client import PUBLIC_URL, RunningApi, running_api
from tests.support.console_client import ConsoleClient, Page

NAME = "Enter a name of 1 to 200 characters: a label for people, such as CRM Sync."
EVENTS = "Choose at least one event, or all events."
NEW: dict[str, Any] = {"name": "CRM Sync", "url": PUBLIC_URL, "events": ["linkedin.message.sent"]}


async def refuse_url(url: str, _team_id: str) -> None:
    raise UrlNotAllowed(url, "the host is on a private network: use a public address")


def ticked(page: Page) -> set[str]:
    return set(re.findall(r'name="events" value="([^"]*)" checked', page.text))


async def test_all_mistakes_of_a_new_webhook_are_told_at_once(acme: ConsoleClient, root: str) -> None:
    page = await acme.post(f"{root}/webhooks/new", name=" ", url="", secret="whsec_!", events=[])
    assert page.status == 422
    assert page.mistake("name") == NAME
    assert page.mistake("url").startswith("Enter the address that deliveries are posted to")
    assert "base64" in page.mistake("secret")
    assert EVENTS in page.text
    assert "<title>Mistake" in page.text


async def test_nothing_typed_is_lost(acme: ConsoleClient, root: str) -> None:
    typed = {**NEW, "name": "x" * 201, "url": PUBLIC_URL, "secret": 'se"cret & <more> 123'}
    page = await acme.post(f"{root}/webhooks/new", **typed)
    assert page.status == 422
    assert {name: page.value(name) for name in ("name", "url", "secret")} == {
        name: typed[name] for name in ("name", "url", "secret")
    }
    assert ticked(page) == {"linkedin.message.sent"}


async def test_a_private_address_is_refused_beside_the_field(tmp_path: Path) -> None:
    async with running_api(tmp_path, check_url=refuse_url) as api:
        acme = await signed_in(api, str(api.as_acme.key))
        page = await acme.post(f"/console/teams/{api.acme.id}/webhooks/new", **NEW)
        assert page.status == 422
        assert "private network" in page.mistake("url")


async def test_generate_without_scripts_fills_the_field_and_makes_nothing(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    page = await acme.post(f"{root}/webhooks/new", **NEW, generate="1")
    assert page.status == 200
    assert page.value("secret").startswith("whsec_")
    assert (page.value("name"), ticked(page)) == ("CRM Sync", {"linkedin.message.sent"})
    assert (await api.as_acme.get("/v1/webhooks")).value["items"] == []


async def test_all_events_are_all_whatever_else_is_ticked(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    await acme.post(f"{root}/webhooks/new", **{**NEW, "events": ["linkedin.message.sent", "*"]})
    [webhook] = (await api.as_acme.get("/v1/webhooks")).value["items"]
    assert webhook["events"] == ["*"]


async def test_an_event_that_is_gone_is_told(acme: ConsoleClient, root: str) -> None:
    page = await acme.post(f"{root}/webhooks/new", **{**NEW, "events": ["linkedin.message.gone"]})
    assert "One of the events does not exist any more: choose again." in page.text


async def test_a_secret_is_shown_once_on_the_page_after_and_to_nobody_else(
    api: RunningApi, acme: ConsoleClient, operator: ConsoleClient, root: str
) -> None:
    led = (await acme.post(f"{root}/webhooks/new", **NEW, secret="s3cret-s3cret-s3cret")).location
    assert "s3cret" not in (await operator.get(led)).text
    assert "s3cret-s3cret-s3cret" in (await acme.get(led)).text
    assert "s3cret" not in (await acme.get(led)).text


async def test_an_edit_keeps_what_it_does_not_show(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    webhook = await api.webhook(secret="s" * 20)
    path = f"{root}/webhooks/{webhook['id']}"
    form = await acme.get(f"{path}/edit")
    assert (form.value("name"), form.value("url"), ticked(form)) == (webhook["name"], webhook["url"], {"*"})
    assert "s" * 20 not in form.text
    await acme.post(f"{path}/edit", **NEW)
    changed = (await api.as_acme.get(f"/v1/webhooks/{webhook['id']}")).value
    assert (changed["name"], changed["events"], changed["hasSecret"]) == (NEW["name"], NEW["events"], True)
    page = await acme.post(f"{path}/edit", name="", url=PUBLIC_URL)
    assert (page.status, page.mistake("name")) == (422, NAME)


WRONG_ROTATIONS = (
    ({"secret": "", "hours": "1"}, "secret", "Enter a secret, or generate one."),
    ({"secret": "whsec_!", "hours": "1"}, "secret", "base64"),
    *(({"secret": "s" * 20, "hours": hours}, "hours", "from 0 to 720") for hours in ("", "-1", "721", "1.5", "٣")),
)


async def test_a_rotation_that_cannot_be_is_told(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    webhook = await api.webhook(secret="s" * 20)
    for fields, field, sentence in WRONG_ROTATIONS:
        page = await acme.post(f"{root}/webhooks/{webhook['id']}/secret", **fields)
        assert page.status == 422, fields
        assert sentence in page.mistake(field), fields
        assert page.value("hours") == fields["hours"]


async def test_a_test_of_an_event_that_is_not_subscribed_to_is_told(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    webhook = await api.webhook("linkedin.message.sent")
    page = await acme.post(f"{root}/webhooks/{webhook['id']}/test", event="linkedin.message.received")
    assert (page.status, page.mistake("event")) == (422, "Choose an event that it subscribes to.")
    assert (await api.as_acme.get("/v1/deliveries")).value["items"] == []


async def test_a_time_that_is_none_is_told(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    webhook = await api.webhook()
    for since in ("", "yesterday", "2026-02-30T00:00", "2026-11-24 10:00"):
        page = await acme.post(f"{root}/webhooks/{webhook['id']}/recover", since=since)
        assert page.status == 422, since
        assert "Enter a date and a time, such as 2026-11-24T14:30." in page.text, since


async def test_a_filter_that_no_form_sends_is_told_and_finds_nothing(acme: ConsoleClient, root: str) -> None:
    page = await acme.get(f"{root}/deliveries?status=lost&event=a.b&since=x&until=2026-13-01T00:00")
    assert page.status == 200
    assert page.mistake("status") == "Choose one of the states in the list."
    assert page.mistake("event") == "Choose one of the events in the list."
    assert page.mistake("since") == page.mistake("until") == "Enter a date and a time, such as 2026-11-24T14:30."
    assert (await acme.get(f"{root}/deliveries?cursor=x")).status == 404


WRONG_TEAMS = (
    ({"name": ""}, "name", "Enter a name of 1 to 200 characters."),
    ({"name": "n", "id": "no spaces"}, "id", "Use 1 to 100 letters"),
    ({"name": "n", "emails": "ops@example.com\nnobody"}, "notificationEmails", "Enter email addresses such as"),
)


async def test_a_team_that_cannot_be_is_told(operator: ConsoleClient, root: str) -> None:
    for fields, field, sentence in WRONG_TEAMS:
        page = await operator.post("/console/teams", **fields)
        assert page.status == 422, fields
        assert sentence in page.mistake(field), fields
        if "id" not in fields:
            assert sentence in (await operator.post(root, **fields)).mistake(field), fields


async def test_an_id_that_is_taken_is_told(api: RunningApi, operator: ConsoleClient) -> None:
    page = await operator.post("/console/teams", name="n", id=api.acme.id)
    assert (page.status, page.value("name")) == (422, "n")
    assert "exists" in page.mistake("id")


async def test_a_key_and_a_grant_that_cannot_be_are_told(operator: ConsoleClient, root: str) -> None:
    page = await operator.post(f"{root}/keys", key_name="")
    assert (page.status, page.mistake("key_name").partition(":")[0]) == (422, "Enter a name of 1 to 200 characters")
    for amount in ("", "0", "-", "1.5", "many", "1" * 16, "٣"):
        page = await operator.post(f"{root}/grants", amount=amount, note="kept")
        assert (page.status, page.value("note")) == (422, "kept")
        sentence = "Enter a whole number up to 1,000,000,000,000, below 0 to correct a grant; not 0."
        assert page.mistake("amount") == sentence
    page = await operator.post(f"{root}/grants", amount="5", note="x" * 501)
    assert page.mistake("note") == "Enter at most 500 characters; a correction needs a note."


async def test_what_is_no_form_is_refused(operator: ConsoleClient) -> None:
    for media_type in ("application/json", "text/plain", "multipart/form-data"):
        page = await operator.send("POST", "/console/teams", {"name": "n"}, Content_Type=media_type)
        assert page.status == 415, media_type
        assert page.headers["Content-Type"] == "text/html; charset=utf-8", media_type
