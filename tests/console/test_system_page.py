"""The System page shows the last hour, with the numbers behind its pictures, and follows it."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from daemon.maintenance.last_hour import MINUTES, Minute
from tests.console.conftest import signed_in
from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient

NOW = 1_800_000_000_000
QUIET = Minute(
    NOW,
    0,
    0,
    backlog=0,
    backlog_is_more=False,
    oldest_ms=0,
    attempt_p50_ms=None,
    attempt_p95_ms=None,
    commit_p50_ms=None,
    commit_p95_ms=None,
)
BUSY = replace(
    QUIET,
    accepted=6_000,
    ended=12_345_600,
    backlog=100_000,
    backlog_is_more=True,
    oldest_ms=86_400_000,
    attempt_p50_ms=9_999.5,
    attempt_p95_ms=10_000,
    commit_p50_ms=0.25,
    commit_p95_ms=30_000,
)


async def page_of(api: RunningApi, monkeypatch: pytest.MonkeyPatch, minutes: Sequence[Minute]) -> str:
    """Return the page when these were the last minutes."""
    monkeypatch.setattr(type(api.daemon.parts.last_hour), "minutes", property(lambda _: tuple(minutes)))
    client = await signed_in(api, str(api.operator.key))
    return (await client.get("/console/system")).text


def rows_of(page: str) -> list[list[str]]:
    [table] = re.findall(r'<tbody id="minute-rows">(.*?)</table>', page, re.DOTALL)
    return [re.findall(r"<td>([^<\n]*)", row) for row in table.split("<tr>")[1:]]


async def test_every_minute_is_in_the_pictures_and_in_the_table(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await page_of(api, monkeypatch, [QUIET, BUSY])
    rows = rows_of(page)
    assert len(rows) == MINUTES
    assert rows[0][1:] == ["6,000", "12,345,600", "≥ 100,000", "1 day", "10 s", "10 s", "0.25 ms", "30 s"]
    assert rows[1][1:] == ["0", "0", "0", "0 ms", "—", "—", "—", "—"]
    assert rows[2][1:] == ["—"] * 8
    labels = re.findall(r'role="img" aria-label="([^"]+)"', page)
    assert [label.partition(",")[0] for label in labels] == [
        "Throughput",
        "Latency of attempts",
        "Backlog",
        "Age of the oldest pending delivery",
        "Commit time",
    ]
    assert all("the table below has each" in label for label in labels)


async def test_after_a_start_and_without_work_it_says_so(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "The daemon started less than a minute ago." in await page_of(api, monkeypatch, [])
    quiet = await page_of(api, monkeypatch, [replace(QUIET, backlog=None, oldest_ms=None)])
    assert "No attempt has ended in the last hour." in quiet
    assert "Nothing was committed in the last hour." in quiet
    assert "unknown in the last minute" in quiet


async def test_the_largest_hour_is_a_small_page(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len((await page_of(api, monkeypatch, [BUSY] * MINUTES)).encode()) < 50_000


async def test_the_page_follows_what_is_so_now_and_each_minute(
    api: RunningApi, operator: ConsoleClient, autojump_clock: MockClock
) -> None:
    async with operator.stream("/console/system/live") as page:
        first = dict([await page.event(), await page.event()])
        assert "less than a minute" in first["system-hour"]
        await api.submit()
        with trio.fail_after(6):
            name, part = await page.event()
        assert (name, re.findall(r'<p class="big">([^<]*)</p>', part)[1]) == ("system-now", "1")
        with trio.fail_after(70):
            while "minute-rows" not in part:
                name, part = await page.event()
    assert rows_of(part)[0][1] == "1"


async def test_of_several_nodes_the_page_says_whose_hour_it_is(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(api.handles.nodes), "are_shared", property(lambda _: True))
    page = await page_of(api, monkeypatch, [QUIET])
    assert "The last hour of this node" in page
    assert "Each node keeps its own last hour, in memory; the backlog is that of all nodes." in page
