"""Headers of a webhook's own in its form, on its page and in requests as sent (contract "Options of a webhook")."""

from typing import Any

import trio
from trio.testing import MockClock

from tests.support.api_client import PUBLIC_URL, RunningApi
from tests.support.console_client import ConsoleClient

NEW: dict[str, Any] = {"name": "CRM", "url": PUBLIC_URL, "events": ["*"]}
TOKEN = "Bearer s3cret-token"
SAVED = "Authorization: •••"


async def headers_of(api: RunningApi) -> Any:
    [webhook] = (await api.operator.get("/v1/webhooks", teamId=api.acme.id)).value["items"]
    return [(each["name"], each["value"]) for each in webhook["headers"]]


async def test_headers_are_chosen_in_the_form_shown_without_what_is_secret_and_removed(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    typed = {"headers": "X-Tenant: acme\r\n\r\nX-Url: a:b", "secretHeaders": f"Authorization: {TOKEN}"}
    led = await acme.post(f"{root}/webhooks/new", **NEW, **typed)
    chosen = [("X-Tenant", "acme"), ("X-Url", "a:b"), ("Authorization", None)]
    assert await headers_of(api) == chosen
    page, form = (await acme.get(led.location)).text, (await acme.get(f"{led.location}/edit")).text
    assert f"X-Tenant: acme; X-Url: a:b; {SAVED}" in page
    assert ">X-Tenant: acme\nX-Url: a:b</textarea>" in form
    assert f">{SAVED}</textarea>" in form
    assert TOKEN not in page + form
    await acme.post(f"{led.location}/edit", **NEW, **typed | {"secretHeaders": SAVED})
    assert await headers_of(api) == chosen
    await acme.post(f"{led.location}/edit", **NEW, headers="", secretHeaders="")
    assert await headers_of(api) == []


async def test_a_wrong_header_is_told_beside_its_field_by_its_name(acme: ConsoleClient, root: str) -> None:
    for plain, secret, words in (
        ("Host: x", "X-Token: 1", "Host: this header is set by HTTP or by the daemon itself: choose another name."),
        ("X-A", "", "X-A: expected visible ASCII characters, with spaces and tabs only between them."),
        ("", "X-Token: •••", "X-Token: is missing: no secret value is kept under this name."),
        (f"X: {'x' * 4096}", "", "Names and values have more than 4 KiB in all: shorten them."),
    ):
        page = await acme.post(f"{root}/webhooks/new", **NEW, headers=plain, secretHeaders=secret)
        assert (page.status, words in page.text) == (422, True)


async def test_a_new_url_elsewhere_asks_for_the_secret_values_again(acme: ConsoleClient, root: str) -> None:
    led = await acme.post(f"{root}/webhooks/new", **NEW, headers="", secretHeaders=f"Authorization: {TOKEN}")
    moved = NEW | {"url": "https://other.example/in"}
    page = await acme.post(f"{led.location}/edit", **moved, headers="", secretHeaders=SAVED)
    assert page.status == 422
    assert "Authorization: secret values stay with the scheme, host and port" in page.text
    page = await acme.post(f"{led.location}/edit", **moved, headers="", secretHeaders="Authorization: Bearer new")
    assert page.status == 303


async def test_a_request_as_sent_hides_what_is_secret(
    api: RunningApi, acme: ConsoleClient, root: str, autojump_clock: MockClock
) -> None:
    await api.webhook(headers=[{"name": "Authorization", "value": TOKEN}, {"name": "X-Tenant", "value": "acme"}])
    await api.submit()
    await trio.sleep(1)
    [delivery] = (await api.as_acme.get("/v1/deliveries")).value["items"]
    page = (await acme.get(f"{root}/deliveries/{delivery['id']}")).text
    assert f"{SAVED}\nX-Tenant: acme" in page
    assert TOKEN not in page
