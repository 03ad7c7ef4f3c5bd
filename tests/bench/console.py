"""Whether the console's pages stay quick and light, with many webhooks and old deliveries in one team."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx
import trio

from api.console.pages.lists import list_of
from api.http.cursors import encode_cursor
from daemon.crypto.api_keys import Principal
from daemon.crypto.encryption_keys import ENCRYPTION_KEY, read_keys
from daemon.crypto.vault import Vault
from daemon.domain.clock import wall_clock_ms
from daemon.maintenance.state_dir import DATABASE
from tests.bench.bulk_insert import bulk_connection
from tests.bench.daemon import measured_daemon, measured_installation
from tests.bench.disk_space import SUCCEEDED_BYTES, require_space
from tests.bench.figures import Figure, shown
from tests.bench.filled_rows import Target
from tests.bench.filling import fill_history, fill_webhooks
from tests.bench.workbench import Bench

_WEBHOOKS, _QUICK_WEBHOOKS = 100_000, 1_000
_DELIVERIES_EACH = 10
_VISITS, _QUICK_VISITS = 25, 3
_MOST_MS, _MOST_KB = 50, 100
_URL = "http://127.0.0.1:9/hooks"


@dataclass(slots=True)
class Visited:
    """A page, how long each visit waited for its first byte (ms), and how large it is (bytes)."""

    name: str
    path: str
    waits_ms: list[float] = field(default_factory=list)
    size: int = 0


async def measure_console(bench: Bench) -> list[Figure]:
    """Visit every page again and again, in turns, while the daemon has nothing else to do."""
    webhooks = _QUICK_WEBHOOKS if bench.quick else _WEBHOOKS
    require_space(bench.directory, webhooks * _DELIVERIES_EACH * SUCCEEDED_BYTES)
    bench.advance(f"filling {webhooks:,} webhooks, {webhooks * _DELIVERIES_EACH:,} deliveries")
    installation = measured_installation(bench, "console")
    targets = await trio.to_thread.run_sync(_fill, installation.state_dir, webhooks)
    await trio.to_thread.run_sync(bench.store.take_over, installation.state_dir)
    async with measured_daemon(installation), httpx.AsyncClient(base_url=installation.url, trust_env=False) as browser:
        await _sign_in(browser, installation.read_key())
        pages = await _pages(browser, targets, _cursor_key(installation.state_dir))
        for _ in range(1 + (_QUICK_VISITS if bench.quick else _VISITS)):
            bench.advance("visiting every page")
            for page in pages:
                await _visit(browser, page)
    installation.close()
    return [_figure(page) for page in pages]


def _fill(state_dir: Path, webhooks: int) -> Sequence[Target]:
    """Put everything into one team; the first of its webhooks was disabled an hour ago."""
    targets = fill_webhooks(state_dir, [f"{_URL}/{number}" for number in range(webhooks)], per_team=webhooks)
    fill_history(state_dir, targets, _DELIVERIES_EACH)
    disabled = (wall_clock_ms() - 3_600_000, targets[0].webhook_id)
    with bulk_connection(state_dir / DATABASE, 0) as connection:
        connection.execute("UPDATE webhooks SET active = 0, disabled_at = ? WHERE id = ?", disabled)
    return targets


async def _sign_in(browser: httpx.AsyncClient, key: str) -> None:
    answer = await browser.post("/console/sign-in", data={"key": key})
    assert answer.status_code == 303, answer.text


def _cursor_key(state_dir: Path) -> bytes:
    return Vault(read_keys(state_dir / ENCRYPTION_KEY).keys).derive("cursors")


async def _pages(browser: httpx.AsyncClient, targets: Sequence[Target], cursor_key: bytes) -> list[Visited]:
    team, count = f"/console/teams/{targets[0].team_id}", len(targets)
    reader = Principal(targets[0].team_id, "")
    middle = {"cursor": encode_cursor(cursor_key, count // 2, list_of(reader, "webhooks", {}))}
    deliveries = list_of(reader, "deliveries", {})
    of_deliveries = {"cursor": encode_cursor(cursor_key, count * _DELIVERIES_EACH // 2, deliveries)}
    return [
        Visited("webhooks", f"{team}/webhooks"),
        Visited("webhooks, in the middle of the list", f"{team}/webhooks?{httpx.QueryParams(middle)}"),
        Visited("webhooks, a search that finds none", f"{team}/webhooks?search=nothing+like+it"),
        Visited("webhooks, those disabled", f"{team}/webhooks?state=disabled"),
        Visited("a webhook", f"{team}/webhooks/{targets[-1].webhook_id}"),
        Visited("a disabled webhook, and what it missed", f"{team}/webhooks/{targets[0].webhook_id}"),
        Visited("deliveries", f"{team}/deliveries"),
        Visited("deliveries, in the middle of the list", f"{team}/deliveries?{httpx.QueryParams(of_deliveries)}"),
        Visited("deliveries, those failed: none", f"{team}/deliveries?status=failed"),
        Visited("deliveries, of an event that never was", f"{team}/deliveries?event=prospect.unqualified"),
        Visited("deliveries, until long ago", f"{team}/deliveries?until=2020-01-01T00:00"),
        Visited("a delivery", await _newest_delivery(browser, team)),
        Visited("event type", f"{team}/event-types/linkedin.message.received"),
        Visited("credits", f"{team}/credits"),
        Visited("a team's settings", team),
        Visited("system", "/console/system"),
    ]


async def _newest_delivery(browser: httpx.AsyncClient, team: str) -> str:
    page = (await browser.get(f"{team}/deliveries")).text
    found = re.search(rf"{team}/deliveries/dlv_\w+", page)
    assert found is not None
    return found.group()


async def _visit(browser: httpx.AsyncClient, page: Visited) -> None:
    begin = time.perf_counter()
    async with browser.stream("GET", page.path) as answer:
        page.waits_ms.append((time.perf_counter() - begin) * 1000)
        page.size = len(await answer.aread())
    assert answer.status_code == 200, (page.path, answer.status_code)


def _figure(page: Visited) -> Figure:
    waits = page.waits_ms[1:]  # the first visit warms the caches
    note = f"median {shown(median(waits))} ms, {page.size / 1000:.0f} KB"
    goal = f"at most {_MOST_MS} ms and {_MOST_KB} KB"
    is_met = max(waits) <= _MOST_MS and page.size <= _MOST_KB * 1000
    return Figure(f"console, {page.name}, slowest first byte", max(waits), "ms", note, goal=goal, met=is_met)
