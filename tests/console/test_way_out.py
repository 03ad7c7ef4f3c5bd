"""A webhook's own way out in its form and on its page (contract "Options of a webhook")."""

from typing import Any

from tests.support.api_client import PUBLIC_URL, RunningApi
from tests.support.console_client import ConsoleClient

NEW: dict[str, Any] = {"name": "CRM", "url": PUBLIC_URL, "events": ["*"]}
PROXY, PASSWORD = "http://kakiyo@proxy.example.com:3128", "s3cret-login"


async def proxy_of(api: RunningApi) -> Any:
    [webhook] = (await api.operator.get("/v1/webhooks", teamId=api.acme.id)).value["items"]
    return webhook["proxy"], webhook["ipVersion"]


async def test_a_way_out_is_chosen_in_the_form_shown_on_the_page_without_the_password_and_set_back(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    led = await acme.post(f"{root}/webhooks/new", **NEW, proxy=PROXY, proxyPassword=PASSWORD, ipVersion="4")
    assert await proxy_of(api) == ({"url": PROXY, "hasPassword": True}, "4")
    page = (await acme.get(led.location)).text
    assert "IPv4 only" in page
    assert PROXY in page
    form = (await acme.get(f"{led.location}/edit")).text
    assert f'name="proxy" value="{PROXY}"' in form
    assert '<option value="4" selected>' in form
    assert PASSWORD not in page + form
    await acme.post(f"{led.location}/edit", **NEW, proxy=PROXY, proxyPassword="", ipVersion="")
    assert await proxy_of(api) == ({"url": PROXY, "hasPassword": True}, None)
    await acme.post(f"{led.location}/edit", **NEW, proxy="", proxyPassword="", ipVersion="")
    assert await proxy_of(api) == (None, None)


async def test_a_wrong_password_of_a_proxy_is_told_and_not_shown(acme: ConsoleClient, root: str) -> None:
    page = await acme.post(f"{root}/webhooks/new", **NEW, proxy=PROXY, proxyPassword="x" * 300)
    assert page.status == 422
    assert "a password of 1 to 255 bytes" in page.text
    assert "x" * 300 not in page.text
