"""Which deliveries an address asks for."""

import re
from pathlib import Path

import pytest
import trio

from api.console.pages.time_window import parse_form_time
from tests.console.conftest import signed_in
from tests.support.api_client import PUBLIC_URL, RunningApi, running_api
from tests.support.console_client import ConsoleClient
from tests.support.daemon import EPOCH_MS, FakeReceiver, make_settings, statuses

HALF_PAST_TWO = 1_795_530_600_000


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-24T14:30", HALF_PAST_TWO),
        ("2026-11-24T14:30:05", HALF_PAST_TWO + 5_000),
        ("2026-11-24T14:30:05.25", HALF_PAST_TWO + 5_250),
        ("0001-01-01T00:00", -62_135_596_800_000),
        *(
            (text, None)
            for text in ("", "2026-11-24", "2026-11-24 14:30", "2026-02-29T00:00", "2026-11-24T14:30Z", "x")
        ),
        ("\uff12026-11-24T14:30", None),
    ],
)
def test_a_time_is_read_as_the_form_sends_it_in_utc(text: str, time: int | None) -> None:
    assert parse_form_time(text) == time


async def test_until_a_minute_is_until_its_end(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    await api.webhook()
    begin = EPOCH_MS - EPOCH_MS % 60_000  # 2027-01-15T08:00
    api.daemon.clock.offset_ms += begin + 59_000 - api.daemon.clock()
    await api.submit()
    api.daemon.clock.offset_ms += begin + 60_000 - api.daemon.clock()
    await api.submit()

    async def count(query: str) -> int:
        return (await acme.get(f"{root}/deliveries?{query}")).text.count("data-row=")

    assert await count("") == 2
    assert await count("until=2027-01-15T08:00") == 1
    assert await count("until=2027-01-15T08:01") == 2
    assert await count("since=2027-01-15T08:01") == 1
    assert await count("since=2027-01-15T08:00&until=2027-01-15T08:00") == 1


async def test_pages_keep_the_filter(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    await api.webhook()
    for _ in range(51):
        await api.submit()
    page = await acme.get(f"{root}/deliveries?event=linkedin.message.sent&webhook=")
    older = page.text.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "event=linkedin.message.sent" in older
    second = await acme.get(older)
    assert second.text.count("data-row=") == 1
    assert "data-live=" not in second.text, "only the first page is live"


async def test_each_row_tells_why_and_is_found_by_it(tmp_path: Path) -> None:
    answers = {"https://hooks.example.com/in": statuses(503), "https://hooks.example.com/out": statuses(200)}
    settings = make_settings(tmp_path, delivery={"retry_delays_s": []})
    async with running_api(tmp_path, receiver=FakeReceiver(answers), settings=settings) as api:
        acme, root = await signed_in(api, str(api.as_acme.key)), f"/console/teams/{api.acme.id}"
        failing = await api.webhook(name="Failing")
        await api.webhook(name="Fine", url="https://hooks.example.com/out")
        await api.submit()

        async def results(query: str = "") -> list[str]:
            page = await acme.get(f"{root}/deliveries?{query}")
            return [found.partition(" · ")[0] for found in re.findall(r'data-label="Result">([^<]*)<', page.text)]

        with trio.fail_after(5):
            while "—" in await results():
                await trio.lowlevel.checkpoint()
        assert sorted(await results()) == ["200", "503"]
        assert await results("cause=503") == await results("cause=http_error") == ["503"]
        assert await results("cause=2xx&status=pending,succeeded") == ["200"]
        assert await results("cause=timeout") == []
        assert await results(f"webhook={failing['id']}") == ["503"]
        async with acme.stream(f"{root}/deliveries/live?cause=5xx") as stream:
            name, rows = await stream.event()
        assert (name, "503 · " in rows, "200 · " in rows) == ("delivery-rows", True, False)
        page = await acme.get(f"{root}/deliveries?webhook={failing['id']}")
        assert f'value="{failing["id"]}" selected' in page.text
        mistakes = await acme.get(
            f"{root}/deliveries?cause=bad&status=gone&since=2026-01-02T00:00&until=2026-01-01T00:00"
        )
    assert "Choose one of the states" in mistakes.mistake("status")
    assert "name an HTTP status" in mistakes.mistake("cause")
    assert "before the time" in mistakes.mistake("until")


async def test_another_teams_webhook_is_not_named_in_the_filter(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    _, other = await api.another_team()
    theirs = await other.post("/v1/webhooks", {"name": "Secret plan", "url": PUBLIC_URL, "events": ["*"]})
    page = await acme.get(f"{root}/deliveries?webhook={theirs.value['id']}")
    assert "Secret plan" not in page.text
