"""Filters in the console: chosen in the form, tried beside it, and shown when they fail (contract "Filters")."""

from typing import Any

from tests.support.api_client import MESSAGE_SENT, PUBLIC_URL, RunningApi
from tests.support.console_client import ConsoleClient

NEW: dict[str, Any] = {"name": "CRM", "url": PUBLIC_URL, "events": ["*"]}


async def test_a_filter_is_chosen_in_the_form_shown_on_the_page_and_removed(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    led = await acme.post(f"{root}/webhooks/new", **NEW, filter="data.amount > `10`")
    assert "<dd>data.amount &gt; `10`</dd>" in (await acme.get(led.location)).text
    assert 'name="filter" value="data.amount &gt; `10`"' in (await acme.get(f"{led.location}/edit")).text
    await acme.post(f"{led.location}/edit", **NEW, filter="")
    [webhook] = (await api.operator.get("/v1/webhooks", teamId=api.acme.id)).value["items"]
    assert webhook["filter"] is None


async def test_what_is_no_filter_is_told_beside_the_field_with_its_place(acme: ConsoleClient, root: str) -> None:
    page = await acme.post(f"{root}/webhooks/new", **NEW, filter="data.amount > 10")
    assert page.status == 422
    assert "column 15: 10 does not belong here: write numbers as `10`" in page.mistake("filter")


async def test_a_filter_is_tried_beside_the_form_and_nothing_is_saved(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    accepted = (await api.as_acme.post("/v1/events", {"event": MESSAGE_SENT, "data": {"amount": 11}})).value["id"]
    for text, on, says in (
        (f"event == '{MESSAGE_SENT}'", MESSAGE_SENT, "It matches: the webhook would get it."),
        ("data.amount > `11`", accepted, "It does not match."),
        ("data.amount > `10`", accepted, "It matches: the webhook would get it."),
        ("length(data.amount) > `1`", accepted, "It fails, which counts as no match: length() got a number"),
        ("", accepted, "There is no filter: the webhook would get it."),
    ):
        page = await acme.post(f"{root}/webhooks/new", **NEW, filter=text, tryOn=on, **{"try": "1"})
        assert (page.status, says in page.text) == (200, True)
    assert (await api.operator.get("/v1/webhooks", teamId=api.acme.id)).value["items"] == []


async def test_a_trial_tells_what_is_wrong_with_it(acme: ConsoleClient, root: str) -> None:
    for text, on, name, words in (
        ("data ==", MESSAGE_SENT, "filter", "it ends too early"),
        ("data", "no.type", "tryOn", "Choose an event type of the list"),
        ("data", "evt_unknown", "tryOn", "There is no such event."),
    ):
        page = await acme.post(f"{root}/webhooks/new", **NEW, filter=text, tryOn=on, **{"try": "1"})
        assert page.status == 422
        assert words in page.mistake(name)


async def test_a_failing_filter_is_seen_on_the_page_of_its_webhook(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    webhook = await api.webhook(filter="length(data.missing) > `1`")
    for _ in range(2):
        await api.as_acme.post("/v1/events", {"event": MESSAGE_SENT, "data": {}})
    page = (await acme.get(f"{root}/webhooks/{webhook['id']}")).text
    assert "2 times, and took nothing: length() got null" in page
