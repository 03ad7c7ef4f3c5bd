"""A webhook's page shows how it has done, with the numbers behind each picture; live, and for the time chosen."""

import re
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient
from tests.support.daemon import statuses


@pytest.fixture
async def webhook(api: RunningApi, autojump_clock: MockClock) -> dict[str, Any]:
    """A webhook of which one delivery succeeded at once, and one after an error."""
    webhook = await api.webhook()
    api.daemon.receiver.answers[webhook["url"]] = statuses(200, 503, 200)
    for _ in range(2):
        await api.submit()
    await trio.sleep(30)
    return webhook


def rows_of(page: str) -> list[list[str]]:
    """Return the cells of the table behind the pictures, row by row."""
    [table] = re.findall(r'<tbody id="statistics-rows">(.*?)</table>', page, re.DOTALL)
    return [re.findall(r"<td>([^<]*)", row) for row in table.split("<tr>")[1:]]


async def test_pictures_have_words_and_a_table_with_the_same_numbers(
    acme: ConsoleClient, root: str, webhook: dict[str, Any], autojump_clock: MockClock
) -> None:
    page = (await acme.get(f"{root}/webhooks/{webhook['id']}")).text
    pictures = re.findall(r'<svg class="(bars|lines)"[^>]* role="img" aria-label="([^"]+)"', page)
    assert [kind for kind, _ in pictures] == ["bars", "lines"]
    assert "each hour of the last 24 hours: 2 succeeded, 0 failed, 0 cancelled" in pictures[0][1]
    assert "half took at most" in pictures[1][1]
    rows = rows_of(page)
    assert len(rows) == 24
    assert rows[0][1:4] == ["2", "0", "0"]
    assert all(cell.endswith(" ms") for cell in rows[0][4:])
    assert rows[1][1:] == ["0", "0", "0", "—", "—"]


async def test_errors_lead_to_the_deliveries_that_ended_with_them(
    acme: ConsoleClient, root: str, webhook: dict[str, Any], autojump_clock: MockClock
) -> None:
    path = f"{root}/webhooks/{webhook['id']}"
    page = (await acme.get(path)).text
    [(href, words)] = re.findall(r'<a href="(\?[^"]*cause=[^"]+)">([^<]+)</a>', page)
    assert words == "503 Service Unavailable"
    assert (await acme.get(path + href.replace("&amp;", "&").partition("#")[0])).status == 200


@pytest.mark.parametrize(("chosen", "steps"), [("7d", 168), ("30d", 120), ("1y", 24)])
async def test_the_time_is_a_choice_that_stays_with_the_filter_and_the_live_page(
    acme: ConsoleClient, root: str, webhook: dict[str, Any], autojump_clock: MockClock, chosen: str, steps: int
) -> None:
    page = (await acme.get(f"{root}/webhooks/{webhook['id']}?range={chosen}&status=failed")).text
    assert len(rows_of(page)) == steps
    assert (f'name="range" value="{chosen}"' in page) == (steps != 24)
    [live] = re.findall(r'data-live="([^"]+)"', page)[:1]
    assert (f"range={chosen}" in live) == (steps != 24)
    [current] = re.findall(r'range=(\w+)[^"]*#statistics" aria-current="true"', page)
    assert current == (chosen if steps != 24 else "24h")


async def test_a_webhook_without_deliveries_says_so(
    api: RunningApi, acme: ConsoleClient, root: str, autojump_clock: MockClock
) -> None:
    page = (await acme.get(f"{root}/webhooks/{(await api.webhook())['id']}?range=30d")).text
    assert "No delivery has ended in the last 30 days." in page
    assert "No attempt was answered in the last 30 days." in page
    assert "statistics-rows" not in page


async def test_pictures_follow_what_happens_but_not_more_often_than_each_5_seconds(
    api: RunningApi, acme: ConsoleClient, root: str, webhook: dict[str, Any], autojump_clock: MockClock
) -> None:
    async def submit() -> None:
        for _ in range(40):
            await api.submit()
            await trio.sleep(0.5)

    async with acme.stream(f"{root}/webhooks/{webhook['id']}/live") as page, trio.open_nursery() as nursery:
        parts = dict([await page.event() for _ in range(3)])
        assert rows_of(parts["webhook-pictures"])[0][1] == "2"
        began, came = trio.current_time(), 0
        nursery.start_soon(submit)
        while rows_of(parts["webhook-pictures"])[0][1] != "42":
            name, parts[name] = await page.event()
            came += name == "webhook-pictures"
        assert came <= (trio.current_time() - began) / 5 + 1


async def test_the_list_has_the_volume_of_each_webhook(
    acme: ConsoleClient, root: str, webhook: dict[str, Any], autojump_clock: MockClock
) -> None:
    page = (await acme.get(f"{root}/webhooks")).text
    assert '100 %<span class="under">of 2</span>' in page
    assert 'aria-label="Last 24 hours, by the hour: 2 succeeded, 0 failed"' in page


async def test_credits_have_an_axis_of_round_values_and_every_day_as_a_number(
    acme: ConsoleClient, root: str, webhook: dict[str, Any], autojump_clock: MockClock
) -> None:
    page = (await acme.get(f"{root}/credits")).text
    [values] = re.findall(r'<p class="values" aria-hidden="true">(.*?)</p>', page)
    assert re.findall(r"<span>([^<]+)</span>", values) == ["4", "3", "2", "1", "0"]
    [rows] = re.findall(r'<tbody id="day-rows">(.*?)</tbody>', page)
    assert rows.count("<tr>") == 30
    assert "<td>4</td>" in rows.partition("</tr>")[0]
