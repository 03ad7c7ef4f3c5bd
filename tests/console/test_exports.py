"""Lists of the console as files."""

from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient


async def test_what_a_filter_shows_can_be_downloaded(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    first, second = [await api.webhook() for _ in range(2)]
    await api.submit()
    page = await acme.get(f"{root}/deliveries?webhook={first['id']}")
    assert f"{root}/deliveries/export?webhook={first['id']}&amp;format=csv" in page.text
    for query, words in (("format=csv", "id,eventId,"), ("format=ndjson", '{"id"'), ("of=attempts", "deliveryId,")):
        file = await acme.get(f"{root}/deliveries/export?webhook={first['id']}&{query}")
        assert file.status == 200
        assert file.headers["Content-Disposition"].startswith("attachment; ")
        assert file.text.startswith(words)
        assert second["id"] not in file.text


async def test_the_ledger_can_be_downloaded(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    await api.operator.post("/v1/credits/grants", {"teamId": api.acme.id, "amount": 5, "note": "hello"})
    assert f"{root}/credits/export?format=csv" in (await acme.get(f"{root}/credits")).text
    assert "hello" in (await acme.get(f"{root}/credits/export?format=csv")).text
