"""Which deliveries an address asks for."""

import pytest

from api.console.pages.delivery_filter import parse_form_time
from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient
from tests.support.daemon import EPOCH_MS

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
