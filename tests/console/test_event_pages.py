"""The pages of events: what was submitted, by whom, and what became of it."""

from html import unescape
from typing import Any

import httpx
import pytest
import trio

from api.http.wire import format_time
from tests.support.api_client import MESSAGE_SENT, PUBLIC_URL, RunningApi
from tests.support.console_client import ConsoleClient


async def submit(api: RunningApi, key: str, client: Any = None, **data: Any) -> str:
    body = {"event": MESSAGE_SENT, "teamId": api.acme.id, "data": data}
    answer = await (client or api.as_acme).post("/v1/events", body, **{"Idempotency-Key": key})
    return str(answer.value["id"])


async def test_an_events_page_tells_what_was_submitted_and_what_became_of_it(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    await api.webhook(name="CRM sync")
    event_id = await submit(api, "order-17", greeting="hello")
    [first] = (await api.as_acme.get(f"/v1/events/{event_id}")).value["deliveries"]
    again = (await api.as_acme.call("POST", f"/v1/deliveries/{first['id']}/resend")).value
    page = await acme.get(f"{root}/events/{event_id}")
    for shown in (event_id, "order-17", "tests", "CRM sync", "&#34;greeting&#34;: &#34;hello&#34;", first["id"]):
        assert shown in page.text
    assert f'resend of <a class="mono" href="{root}/deliveries/{first["id"]}"' in " ".join(page.text.split())
    old = await acme.get(f"{root}/deliveries/{first['id']}")
    assert f'<dt>Resent as</dt><dd><a href="{root}/deliveries/{again["id"]}"' in old.text
    assert f'href="{root}/events/{event_id}"' in old.text
    new = await acme.get(f"{root}/deliveries/{again['id']}")
    assert f'<dt>Resend of</dt><dd><a href="{root}/deliveries/{first["id"]}"' in new.text
    body = await acme.get(f"{root}/events/{event_id}/body")
    assert body.text.endswith('"data":{"greeting":"hello"}}')


async def test_an_events_page_follows_its_deliveries(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    await api.webhook()
    event_id = await api.submit()
    async with acme.stream(f"{root}/events/{event_id}/live") as stream:
        name, rows = await stream.event()
        assert (name, rows.count("data-row=")) == ("delivery-rows", 1)


async def test_a_long_list_of_deliveries_comes_in_pages(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    for _ in range(51):
        await api.webhook()
    page = await acme.get(f"{root}/events/{await api.submit()}")
    later = page.text.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    assert page.text.count("data-row=") == 50
    assert (await acme.get(later)).text.count("data-row=") == 1


async def test_a_large_batch_comes_in_pages_by_its_idempotency_key(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    batch = [{"event": MESSAGE_SENT, "data": {}}] * 51
    await api.as_acme.post("/v1/events/batch", batch, **{"Idempotency-Key": "many"})
    page = await acme.get(f"{root}/events?key=many")
    later = unescape(page.text.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0])
    assert [text.count(f'href="{root}/events/evt_') for text in (page.text, (await acme.get(later)).text)] == [50, 1]
    assert (await acme.get(later.replace("key=many", "key=other"))).status == 404


async def test_events_are_listed_and_found_by_their_idempotency_key(
    api: RunningApi, acme: ConsoleClient, operator: ConsoleClient, root: str
) -> None:
    ours, theirs = await submit(api, "ours"), await submit(api, "internal", api.operator)

    async def found(client: ConsoleClient, query: str) -> list[bool]:
        page = await client.get(f"{root}/events?{query}")
        return [f'data-row="{one}"' in page.text for one in (ours, theirs)]

    assert await found(acme, "") == [True, True]
    assert await found(acme, "key=ours") == [True, False]
    assert await found(acme, "key=internal") == [False, False]
    assert await found(operator, "key=internal") == [False, True]
    assert await found(acme, "event=linkedin.message.received") == [False, False]
    page = await acme.get(f"{root}/events")
    assert ("tests" in page.text, "operator" in page.text) == (True, True)


@pytest.mark.parametrize(
    ("query", "field"),
    [("event=no", "event"), ("since=no", "since"), ("since=2026-01-02T00:00&until=2026-01-01T00:00", "until")],
)
async def test_a_wrong_filter_is_said_beside_its_field(acme: ConsoleClient, root: str, query: str, field: str) -> None:
    assert (await acme.get(f"{root}/events?{query}")).mistake(field)


async def test_an_event_is_erased_after_it_was_asked_whether_that_is_meant(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    await api.webhook()
    event_id = await submit(api, "order-18", greeting="hello")
    page = f"{root}/events/{event_id}"
    assert f'href="{page}/erase"' in (await acme.get(page)).text
    assert "Erase this event?" in (await acme.get(f"{page}/erase")).text
    await acme.post(f"{page}/erase")
    shown = await acme.get(page)
    assert "The event is erased." in shown.text
    assert "<dt>Erased</dt>" in shown.text
    assert "hello" not in shown.text
    assert f"{page}/erase" not in shown.text
    assert (await acme.get(f"{page}/body")).status == 404
    [delivery] = (await api.as_acme.get(f"/v1/events/{event_id}")).value["deliveries"]
    of_delivery = f"{root}/deliveries/{delivery['id']}"
    text = (await acme.get(of_delivery)).text
    assert "The event was erased" in text
    assert "/resend" not in text
    assert (await acme.get(f"{of_delivery}/body")).status == 404


async def test_the_page_of_an_event_and_of_its_delivery_tell_its_terms(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    await api.webhook()
    later, too_late = (format_time(api.handles.now_ms() + days * 86_400_000) for days in (1, 2))
    event = {"event": MESSAGE_SENT, "data": {}, "deliverAt": later, "expiresAt": too_late, "priority": "low"}
    event_id = (await api.as_acme.post("/v1/events", event)).value["id"]
    page = (await acme.get(f"{root}/events/{event_id}")).text
    assert "<dt>Not delivered before</dt>" in page
    assert "<dt>Not delivered after</dt>" in page
    assert "low: behind others" in page
    assert "waits: for its time" in page
    [delivery] = (await api.as_acme.get("/v1/deliveries")).value["items"]
    shown = (await acme.get(f"{root}/deliveries/{delivery['id']}")).text
    assert "as was asked for with its event" in shown
    assert later in shown


async def test_the_page_of_a_delivery_says_that_its_event_had_expired(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    await api.webhook()
    past = format_time(api.handles.now_ms() - 1)
    await api.as_acme.post("/v1/events", {"event": MESSAGE_SENT, "data": {}, "expiresAt": past})
    with trio.fail_after(5):
        while (delivery := (await api.as_acme.get("/v1/deliveries")).value["items"][0])["status"] == "pending":
            await trio.lowlevel.checkpoint()
    assert "its event had expired" in (await acme.get(f"{root}/deliveries/{delivery['id']}")).text
    assert "cancelled: expired" in (await acme.get(f"{root}/deliveries")).text


async def test_the_page_of_a_delivery_says_that_its_event_is_of_low_priority(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    async def never(_request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    api.daemon.receiver.answers[PUBLIC_URL] = never
    await api.webhook()
    await api.submit()
    await api.as_acme.post("/v1/events", {"event": MESSAGE_SENT, "data": {}, "priority": "low"})
    [low, _] = (await api.as_acme.get("/v1/deliveries")).value["items"]
    assert "its event is of low priority" in (await acme.get(f"{root}/deliveries/{low['id']}")).text
