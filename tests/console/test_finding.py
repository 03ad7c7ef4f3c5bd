"""The search box: it leads to what has an id, or lists what was found and says how far it looked."""

from functools import partial

import pytest

from daemon.store.reads import search_reads
from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient


async def test_a_whole_id_leads_straight_to_its_page(
    api: RunningApi, acme: ConsoleClient, operator: ConsoleClient, root: str
) -> None:
    webhook, event_id = await api.webhook(), await api.submit()
    [delivery] = (await api.as_acme.get(f"/v1/events/{event_id}")).value["deliveries"]
    for section, its_id in (("webhooks", webhook["id"]), ("events", event_id), ("deliveries", delivery["id"])):
        for client, path in ((acme, f"{root}/find"), (operator, "/console/find")):
            page = await client.get(f"{path}?q={its_id}")
            assert (page.status, page.location) == (303, f"{root}/{section}/{its_id}")


async def test_what_was_found_is_listed_by_what_it_was_found_in(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    event_id = await api.submit(name="Zoë")
    page = await acme.get(f"{root}/find?q=Zo%C3%AB")
    assert "By their payload" in page.text
    assert f'href="{root}/events/{event_id}"' in page.text
    assert 'id="find" name="q" value="Zoë"' in page.text
    page = await acme.get(f"{root}/find?q={event_id[:14]}")
    assert "By their id" in page.text
    page = await acme.get(f"{root}/find?q=nobody")
    assert ("Nothing was found" in page.text, "payloads of 1 event, back to" in page.text) == (True, True)
    assert "at least 2 characters" in (await acme.get(f"{root}/find")).text
    assert (await acme.get(f"{root}/find?q=Zo%C3%AB&since=no")).mistake("since")


async def test_the_search_goes_on_where_it_ended(
    api: RunningApi, acme: ConsoleClient, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_at_a_time = partial(search_reads.find_in_payloads, look_at=1)
    monkeypatch.setattr(search_reads, "find_in_payloads", one_at_a_time)
    event_id = await api.submit(word="cocoa")
    await api.submit(word="coffee")
    page = await acme.get(f"{root}/find?q=cocoa")
    assert "Not in this part: look further back." in page.text
    further = page.text.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    assert event_id in (await acme.get(further)).text


async def test_the_box_is_on_every_page_and_another_teams_things_are_not_found(
    api: RunningApi, acme: ConsoleClient, operator: ConsoleClient, root: str
) -> None:
    other, stranger = await api.another_team()
    event_id = (await stranger.post("/v1/events", {"event": "linkedin.message.sent", "data": {}})).value["id"]
    for path in ("webhooks", "events", "deliveries", "credits", "event-types"):
        assert f'action="{root}/find"' in (await acme.get(f"{root}/{path}")).text
    assert 'action="/console/find"' in (await operator.get("/console/teams")).text
    page = await acme.get(f"{root}/find?q={event_id}")
    assert (page.status, "Nothing was found" in page.text) == (200, True)
    page = await operator.get(f"/console/find?q={event_id[:14]}")
    assert f'href="/console/teams/{other.id}/events/{event_id}"' in page.text
