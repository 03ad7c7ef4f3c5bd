"""Own retries in the console: chosen in the form, seen on the pages (contract "Options of a webhook")."""

from typing import Any

import httpx
import pytest
import trio

from tests.support.api_client import PUBLIC_URL, RunningApi
from tests.support.console_client import ConsoleClient

NEW: dict[str, Any] = {"name": "CRM", "url": PUBLIC_URL, "events": ["*"]}
CHOSEN = {"retrySchedule": "5, 60.5,3600", "retryJitter": "full", "retryAfter": "true", "disableOnGone": "true"}


async def test_own_retries_are_chosen_in_the_form_shown_on_the_page_and_set_back(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    led = await acme.post(f"{root}/webhooks/new", **NEW, **CHOSEN)
    [webhook] = (await api.operator.get("/v1/webhooks", teamId=api.acme.id)).value["items"]
    assert webhook["retrySchedule"] == [5, 60.5, 3600]
    assert (webhook["retryJitter"], webhook["retryAfter"], webhook["disableOnGone"]) == ("full", True, True)
    page = (await acme.get(led.location)).text
    for words in ("after 5 s, 1 min, 1 h", "anything up to each delay", "followed, for a day at most", "410 Gone"):
        assert words in page
    form = (await acme.get(f"{led.location}/edit")).text
    assert 'name="retrySchedule" value="5, 60.5, 3600"' in form
    assert form.count('<option value="true" selected>') == 2
    await acme.post(f"{led.location}/edit", **NEW, **dict.fromkeys(CHOSEN, ""))
    [webhook] = (await api.operator.get("/v1/webhooks", teamId=api.acme.id)).value["items"]
    assert (webhook["retrySchedule"], webhook["retryJitter"]) == (None, None)
    assert (webhook["retryAfter"], webhook["disableOnGone"]) == (False, False)


async def test_a_schedule_is_chosen_by_its_name(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    led = await acme.post(f"{root}/webhooks/new", **NEW, retrySchedule="Standard")
    assert "<dd>standard</dd>" in (await acme.get(led.location)).text


@pytest.mark.parametrize("typed", ["5 60", "0.5", "86401", "later", "1," * 21, "nan", "inf"])
async def test_a_wrong_schedule_is_told_beside_its_field(acme: ConsoleClient, root: str, typed: str) -> None:
    page = await acme.post(f"{root}/webhooks/new", **NEW, retrySchedule=typed)
    assert page.status == 422
    assert "up to 20 numbers of seconds" in page.mistake("retrySchedule")
    assert f'value="{typed}"' in page.text


async def shown_delivery(api: RunningApi, acme: ConsoleClient, root: str, words: str) -> str:
    """Submit an event; return its delivery's page once it says this."""
    await api.submit()
    [delivery] = (await api.as_acme.get("/v1/deliveries")).value["items"]
    with trio.fail_after(5):
        while words not in (page := (await acme.get(f"{root}/deliveries/{delivery['id']}")).text):
            await trio.lowlevel.checkpoint()
    return page


async def test_the_page_of_a_delivery_says_when_its_next_attempt_is_due_and_why(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    async def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(503, headers={"Retry-After": "7200"})

    api.daemon.receiver.answers[PUBLIC_URL] = answer
    await api.webhook(retrySchedule=[60, 60], retryAfter=True)
    page = await shown_delivery(api, acme, root, words="as its receiver asked by Retry-After")
    assert "Attempts: 1 of at most 3" in page


async def test_that_deliveries_step_aside_is_chosen_in_the_form_and_seen_on_the_pages(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    async def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(503)

    led = await acme.post(f"{root}/webhooks/new", **NEW, whileRetrying="step_aside", retrySchedule="3600")
    assert "the others are delivered meanwhile" in (await acme.get(led.location)).text
    assert '<option value="step_aside" selected>' in (await acme.get(f"{led.location}/edit")).text
    api.daemon.receiver.answers[PUBLIC_URL] = answer
    await shown_delivery(api, acme, root, words="Other deliveries of its webhook are made meanwhile.")
    await acme.post(f"{led.location}/edit", **NEW, whileRetrying="")
    assert "the others are delivered meanwhile" not in (await acme.get(led.location)).text


async def test_a_webhook_that_is_gone_says_so_on_its_page(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    async def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(410)

    api.daemon.receiver.answers[PUBLIC_URL] = answer
    webhook = await api.webhook(disableOnGone=True)
    await shown_delivery(api, acme, root, words="Given up")
    assert "Its receiver answered 410 Gone" in (await acme.get(f"{root}/webhooks/{webhook['id']}")).text


async def test_a_pace_is_chosen_in_the_form_and_seen_where_deliveries_wait_for_it(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    led = await acme.post(f"{root}/webhooks/new", **NEW, maxPerSecond="0.02")
    assert "at most 0.02 a second" in (await acme.get(led.location)).text
    assert 'name="maxPerSecond" value="0.02"' in (await acme.get(f"{led.location}/edit")).text
    await api.submit()
    [delivery] = (await api.as_acme.get("/v1/deliveries")).value["items"]
    assert "waits: pace of the webhook" in (await acme.get(f"{root}/deliveries")).text
    words = "its webhook gets at most 0.02 a second"
    assert words in (await acme.get(f"{root}/deliveries/{delivery['id']}")).text
    for wrong in ("0", "1001", "many"):
        page = await acme.post(f"{root}/webhooks/new", **NEW, maxPerSecond=wrong)
        assert (page.status, page.mistake("maxPerSecond")) == (
            422,
            "Enter a number from 0.01 to 1000, or leave it empty.",
        )
