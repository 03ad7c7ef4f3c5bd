"""How many deliveries a webhook gets at once, in its form and on its pages."""

from typing import Any

from tests.support.api_client import PUBLIC_URL, RunningApi
from tests.support.console_client import ConsoleClient

NEW: dict[str, Any] = {"name": "CRM", "url": PUBLIC_URL, "events": ["*"]}


async def test_how_many_come_at_once_is_chosen_in_the_form_and_seen_on_the_pages(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    led = await acme.post(f"{root}/webhooks/new", **NEW, concurrency="8", maxPerSecond="0.01")
    assert "up to 8" in (await acme.get(led.location)).text
    assert 'name="concurrency" value="8"' in (await acme.get(f"{led.location}/edit")).text
    await acme.post(f"{led.location}/edit", **NEW, concurrency="")
    assert "up to 8" not in (await acme.get(led.location)).text
    for wrong in ("0", "33", "1.5", "many"):
        page = await acme.post(f"{root}/webhooks/new", **NEW, concurrency=wrong)
        mistake = "Enter a whole number from 1 to 32, or leave it empty."
        assert (page.status, page.mistake("concurrency")) == (422, mistake)
