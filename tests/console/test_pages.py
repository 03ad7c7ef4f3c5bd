"""What holds for every page: its headers, its size, and that what others wrote is text in it."""

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.domain.clock import HOUR_MS
from daemon.domain.lifecycle import WebhookEdit
from daemon.domain.model import DeliveryStatus, TeamEdit
from daemon.store.schema import webhook_hours
from tests.console.conftest import signed_in
from tests.support.api_client import DATABASE_FILE, RunningApi, running_api
from tests.support.console_client import ConsoleClient, Page
from tests.support.daemon import FakeReceiver, make_settings

LARGEST_PAGE = 100 * 1000
SCRIPT = "<script>alert(1)</script>"
MARKUP = f"""{SCRIPT}"><img src=x onerror=alert(1)>'&lt;{{{{7*7}}}}\u202e</textarea></pre></title>"""
EVENT = "linkedin.message.sent"


class Elements(HTMLParser):
    """Reads a page as a browser does, and keeps its elements with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@dataclass(frozen=True, slots=True)
class World:
    """Someone signed in as the operator, and every page that there is about Acme."""

    api: RunningApi
    client: ConsoleClient
    paths: tuple[str, ...]

    async def pages(self) -> AsyncIterator[tuple[str, Page]]:
        for path in self.paths:
            yield path, await self.client.get(path)


async def make_world(api: RunningApi, word: str, body: bytes) -> World:
    """Fill Acme with things that are all called by this word, and whose receivers answer it."""

    async def answer(_request: httpx.Request) -> httpx.Response:
        headers = [(b"x-word", word.encode()[:4000])] * 4
        return httpx.Response(500, headers=headers, content=body)

    root = f"/console/teams/{api.acme.id}"
    url = "https://hooks.example.com/in?" + "&'" * 1_000
    webhooks = [(await api.webhook(url=f"{url}{number}", secret="generate"))["id"] for number in range(25)]
    await name_all(api, webhooks, word)
    for webhook in webhooks:
        api.daemon.receiver.answers[(await api.as_acme.get(f"/v1/webhooks/{webhook}")).value["url"]] = answer
    for number in range(4):
        await api.submit(EVENT, word=word, number=number, more=[word] * (100_000 // len(word)))
    await trio.sleep(120)
    [delivery, *_] = (await api.as_acme.get("/v1/deliveries", status=DeliveryStatus.FAILED.value)).value["items"]
    of_webhook = (f"{root}/webhooks/{webhooks[0]}{page}" for page in ("", "?range=7d", "/edit", "/secret", "/delete"))
    paths = (
        *(
            "/console/teams",
            "/console/system",
            "/console/api",
            "/console/api/webhooks",
            root,
            f"{root}/webhooks",
            f"{root}/webhooks/new",
            *of_webhook,
        ),
        *(f"{root}/deliveries", f"{root}/deliveries?webhook={webhooks[0]}", f"{root}/deliveries/{delivery['id']}"),
        *(f"{root}/credits", f"{root}/event-types", f"{root}/event-types/{EVENT}", "/console/nowhere"),
    )
    return World(api, await signed_in(api, str(api.operator.key)), paths)


async def name_all(api: RunningApi, webhooks: list[str], word: str) -> None:
    """Call Acme, its webhooks, keys and grants by this word: the API refuses some that a database may have before."""
    parts, names = api.daemon.parts, (word * 200)[:200]
    assert await parts.teams.change(api.acme.id, TeamEdit(name=names)) is not None
    for _ in range(50):
        assert await parts.teams.create_key(api.acme.id, names) is not None
        assert await parts.teams.grant_credits(api.acme.id, 1, (word * 500)[:500]) is not None
    for webhook in webhooks:
        assert await parts.webhooks.change(webhook, WebhookEdit(name=names)) is not None


@pytest.fixture
async def hostile(tmp_path: Path) -> AsyncIterator[World]:
    async with running_api(tmp_path, receiver=FakeReceiver(), settings=make_settings(tmp_path)) as api:
        yield await make_world(api, MARKUP, f"{MARKUP}\n\nevent: x\ndata: {SCRIPT}".encode())


@pytest.fixture
async def large(tmp_path: Path) -> AsyncIterator[World]:
    async with running_api(tmp_path, receiver=FakeReceiver(), settings=make_settings(tmp_path)) as api:
        world = await make_world(api, "&\"'<", b"<\"&'" * 5_000)
        fill_hours(tmp_path, world)
        yield world


def fill_hours(state_dir: Path, world: World) -> None:
    """Have something of everything in each hour of the last week of all webhooks, in large numbers of every length."""
    this_hour = world.api.daemon.clock() // HOUR_MS * HOUR_MS
    hours = [(this_hour - ago * HOUR_MS, 10**8 + ago * 10**6) for ago in range(168)]
    counts = ", ".join(["?2", *["?2 / 40"] * (len(webhook_hours.c) - 3)])
    with closing(sqlite3.connect(state_dir / DATABASE_FILE)) as connection, connection:
        connection.executemany(f"INSERT OR REPLACE INTO webhook_hours SELECT ?1, id, {counts} FROM webhooks", hours)


@pytest.mark.fault(
    "Names, URLs, payloads, answers, headers and notes are markup and scripts",
    "They are text on every page: no element and no attribute of theirs gets into one",
)
async def test_what_others_wrote_is_text_on_every_page(hostile: World, autojump_clock: MockClock) -> None:
    async for path, page in hostile.pages():
        assert page.status in (200, 404), path
        for tag, attributes in Elements(page.text).found:
            assert tag != "img" or str(attributes["src"]).startswith("/console/assets/"), path
            assert tag != "script" or str(attributes["src"]).startswith("/console/assets/"), path
            assert not [name for name in attributes if name.startswith("on") or name == "style"], path
        assert "49" not in re.findall(r"<title>(.*?)</title>", page.text)[0]


@pytest.mark.fault(
    "What others wrote holds line breaks and the words of server-sent events",
    "It stays within the one event that it is part of",
)
async def test_what_others_wrote_cannot_end_a_live_event(hostile: World, autojump_clock: MockClock) -> None:
    delivery = next(path for path in hostile.paths if "/deliveries/dlv_" in path)
    async with hostile.client.stream(f"{delivery}/live") as stream:
        name, part = await stream.event()
        assert name == "delivery-state"
        assert "&lt;script&gt;" in part
        assert SCRIPT not in part
        with trio.move_on_after(60):
            pytest.fail(str(await stream.event()))


@pytest.mark.fault(
    "Everything on a page is as long as the API admits, and made of what grows when it is escaped",
    "No page is over 100 KB",
)
async def test_no_page_is_too_large(large: World, autojump_clock: MockClock) -> None:
    sizes = {path: len(page.text.encode()) async for path, page in large.pages()}
    assert {path: size for path, size in sizes.items() if size > LARGEST_PAGE} == {}
    assert max(sizes.values()) > 30_000, "the pages are full"


async def test_every_page_keeps_scripts_frames_and_caches_out(hostile: World, autojump_clock: MockClock) -> None:
    async for path, page in hostile.pages():
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';"), path
        for word in ("frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"):
            assert word in policy
        assert "unsafe" not in policy
        assert page.headers["Cache-Control"] == "no-store", path
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert not re.findall(r'(?:src|href|action)="(?!/console/|\?|#)', page.text), path


async def test_files_are_kept_for_a_year_by_their_content_and_no_other_file_is_there(operator: ConsoleClient) -> None:
    page = await operator.get("/console/system")
    addresses = set(re.findall(r'"(/console/assets/[^"]+)"', page.text))
    assert {address.rpartition(".")[2] for address in addresses} == {"css", "js", "svg"}
    for address in addresses:
        file = await operator.get(address)
        assert (file.status, file.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
        fingerprint, name = address.split("/")[-2:]
        assert (await operator.get(f"/console/assets/{'0' * 16}/{name}")).status == 404
        assert (await operator.get(f"/console/assets/{fingerprint}/..%2froutes.py")).status == 404
