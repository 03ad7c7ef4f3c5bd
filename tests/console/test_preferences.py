"""The theme and the time zone of a browser, and the times of filters and forms in it."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from api.console.pages.time_window import EXPECTED_TIME, parse_form_time
from api.console.rendering.times import exact
from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient
from tests.support.daemon import EPOCH_MS

AT = int(datetime(2026, 7, 1, 12, 30, tzinfo=UTC).timestamp() * 1000)


async def test_a_chosen_theme_and_time_zone_are_those_of_every_page(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    await api.webhook()
    assert '<html lang="en">' in (await acme.get(f"{root}/webhooks")).text
    led = await acme.post("/console/preferences", theme="dark", zone="Asia/Tokyo")
    assert "from now on" in (await acme.get(led.location)).text
    await api.submit()
    page = await acme.get(f"{root}/deliveries")
    assert '<html lang="en" data-theme="dark">' in page.text
    assert "From (Asia/Tokyo)" in page.text
    assert re.search(r'title="[^"]+ JST"', page.text)
    signed_out = ConsoleClient(api.operator.app, secrets=acme.secrets)
    assert 'data-theme="dark"' in (await signed_out.get("/console/sign-in")).text
    assert 'data-theme="dark"' in (await acme.get("/console/nowhere")).text


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe/Nowhere", "Europe/../../etc/passwd", "Europe", "x" * 900])
async def test_a_zone_that_there_is_not_is_refused_and_never_believed(acme: ConsoleClient, zone: str) -> None:
    assert "time zones" in (await acme.post("/console/preferences", zone=zone)).mistake("zone")
    acme.secrets["console_look"] = f"pink.keys.{zone}"
    page = await acme.get("/console/preferences")
    assert (page.status, "data-theme" in page.text) == (200, False)
    assert "selected" not in page.text
    assert '<option value="">The team\u2019s: UTC</option>' in page.text


def test_a_time_is_read_and_written_in_its_zone() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert parse_form_time("2026-07-01T14:30", berlin) == AT
    assert exact(AT, berlin) == "1 Jul 2026, 14:30:00.000 CEST"
    assert exact(AT, ZoneInfo("Asia/Dubai")) == "1 Jul 2026, 16:30:00.000 UTC+04"
    assert exact(2**62, ZoneInfo("Pacific/Kiritimati")).startswith("31 Dec 9999")


async def test_a_time_that_is_in_no_year_in_utc_is_no_time(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    webhook = f"{root}/webhooks/{(await api.webhook())['id']}"
    await acme.post("/console/preferences", theme="dark", zone="Asia/Tokyo")
    for field, form in (("resumesAt", "pause"), ("since", "recover")):
        answer = await acme.post(f"{webhook}/{form}", **{field: "0001-01-01T00:00"})
        assert (answer.status, EXPECTED_TIME in answer.text) == (422, True), form
    for page in ("deliveries", "events", "find"):
        assert (await acme.get(f"{root}/{page}?q=tea&since=0001-01-01T00:00")).mistake("since") == EXPECTED_TIME


async def test_a_filter_takes_times_in_the_zone_and_periods_that_end_now(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    await api.webhook()
    api.daemon.clock.offset_ms += EPOCH_MS - EPOCH_MS % 60_000 - api.daemon.clock()  # 2027-01-15T08:00
    await api.submit()
    api.daemon.clock.offset_ms += 2 * 3_600_000

    async def count(query: str) -> int:
        return (await acme.get(f"{root}/deliveries?{query}")).text.count("data-row=")

    assert [await count(f"period={each}") for each in ("1h", "24h", "7d")] == [0, 1, 1]
    assert await count("until=2027-01-15T08:30") == 1
    acme.secrets["console_look"] = "light.keys.America/New_York"
    assert await count("until=2027-01-15T02:30") == 0
    assert await count("until=2027-01-15T03:30") == 1


@pytest.mark.parametrize("page", ["deliveries", "events"])
async def test_an_inverted_range_and_a_period_beside_it_are_refused(acme: ConsoleClient, root: str, page: str) -> None:
    inverted = await acme.get(f"{root}/{page}?since=2026-01-02T00:00&until=2026-01-01T00:00")
    assert inverted.mistake("until") == "This is before the time in From."
    both = await acme.get(f"{root}/{page}?since=2026-01-02T00:00&period=1h")
    assert "not both" in both.mistake("period")
    assert "periods in the list" in (await acme.get(f"{root}/{page}?period=9y")).mistake("period")


async def test_shortcuts_are_on_until_one_turns_them_off(acme: ConsoleClient) -> None:
    assert "data-keys" in (await acme.get("/console/help")).text
    await acme.post("/console/preferences", theme="system", zone="UTC")
    page = await acme.get("/console/help")
    assert ("data-keys" in page.text, "They are off" in page.text) == (False, True)
    await acme.post("/console/preferences", theme="system", zone="UTC", shortcuts="on")
    assert "data-keys" in (await acme.get("/console/help")).text


async def test_who_has_chosen_no_zone_sees_the_teams_and_the_operator_sees_utc(
    api: RunningApi, acme: ConsoleClient, operator: ConsoleClient, root: str
) -> None:
    await acme.post(f"{root}/settings", name="Acme", timeZone="Asia/Tokyo")
    await acme.post("/console/preferences", theme="dark", zone="")
    await api.submit()
    page = (await acme.get(f"{root}/deliveries")).text
    assert ("From (Asia/Tokyo)" in page, 'data-theme="dark"' in page) == (True, True)
    assert '<option value="">The team\u2019s: Asia/Tokyo</option>' in (await acme.get("/console/preferences")).text
    assert "From (UTC)" in (await operator.get(f"{root}/deliveries")).text
    await acme.post("/console/preferences", theme="dark", zone="Europe/Berlin")
    assert "From (Europe/Berlin)" in (await acme.get(f"{root}/deliveries")).text


async def test_a_time_zone_of_a_team_that_there_is_not_is_told_beside_its_field(acme: ConsoleClient, root: str) -> None:
    page = await acme.post(f"{root}/settings", name="Acme", timeZone="Mars/Olympus")
    assert (page.status, page.mistake("timeZone")) == (422, "Choose one of the time zones in the list.")
