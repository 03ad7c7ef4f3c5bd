"""A proxy of a webhook's own over the API (contract "Options of a webhook")."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from daemon.egress.urls import EgressRules
from daemon.seams import check_proxy
from daemon.store.reads import api_reads
from tests.egress.posting import lookups_by, resolving_to
from tests.support.api_client import RunningApi, running_api
from tests.support.daemon import RunningDaemon

URL = "http://kakiyo@proxy.example.com:3128"
PASSWORD = "s3cret-login"
PROXY = {"url": URL, "password": PASSWORD}


async def opened(daemon: RunningDaemon, webhook_id: str) -> str | None:
    """Return the password of the webhook's proxy."""
    webhook = await daemon.parts.store.reader.fetch(api_reads.get_webhook, webhook_id)
    assert webhook is not None
    assert webhook.options.proxy is not None
    sealed = webhook.options.proxy.password
    return None if sealed is None else daemon.parts.vault.open(sealed.sealed, webhook_id)


@pytest.mark.usefixtures("each_engine")
async def test_a_proxy_is_chosen_shown_without_its_password_and_set_back(api: RunningApi) -> None:
    webhook = await api.webhook(proxy=PROXY)
    shown = {"url": URL, "hasPassword": True}
    path = f"/v1/webhooks/{webhook['id']}"
    assert webhook["proxy"] == (await api.as_acme.get(path)).value["proxy"] == shown
    assert await opened(api.daemon, webhook["id"]) == PASSWORD
    text = str((await api.operator.get(f"/v1/teams/{api.acme.id}/audit")).value)
    assert (await api.as_acme.patch(path, {"proxy": None})).value["proxy"] is None
    text += str((await api.operator.get(f"/v1/teams/{api.acme.id}/audit")).value)
    assert URL in text
    assert PASSWORD not in text + api.daemon.log.getvalue().decode()


@pytest.mark.fault(
    "Someone changes the proxy of a webhook, whose password they do not know, to a server of their own",
    "The password stays with its URL: it is never sent to another one",
)
async def test_a_password_stays_with_its_url_and_goes_to_no_other(api: RunningApi) -> None:
    webhook = await api.webhook(proxy=PROXY)
    path, webhook_id = f"/v1/webhooks/{webhook['id']}", webhook["id"]
    for change in ({"proxy": {"url": URL}}, {"name": "other"}, {"timeoutS": 3}):
        assert (await api.as_acme.patch(path, change)).value["proxy"] == {"url": URL, "hasPassword": True}
        assert await opened(api.daemon, webhook_id) == PASSWORD
    assert (await api.as_acme.patch(path, {"proxy": {"url": URL, "password": "new"}})).status == 200
    assert await opened(api.daemon, webhook_id) == "new"
    for url in (
        "http://kakiyo@evil.example:3128",
        "http://kakiyo@proxy.example.com:3129",
        URL.replace("http", "socks5"),
    ):
        await api.as_acme.patch(path, {"proxy": PROXY})
        changed = await api.as_acme.patch(path, {"proxy": {"url": url}})
        assert changed.value["proxy"] == {"url": url, "hasPassword": False}
        assert await opened(api.daemon, webhook_id) is None


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[RunningApi]:
    """An API that judges proxies as in production."""
    lookups = lookups_by(resolving_to("93.184.216.34"))

    async with running_api(tmp_path, check_proxy=partial(check_proxy, EgressRules(), lookups, True)) as api:
        yield api


WRONG: dict[str, str] = {
    "proxy.example.com": "has no valid host or port",
    "https://proxy.example.com:443": "has another scheme than http and socks5",
    "http://proxy.example.com": "has no port",
    "http://u:p@proxy.example.com:1": "has a password, which would be shown",
    "http://127.0.0.1:3128": "is not a public address (loopback)",
    "http://127.1:3128": "is not a public address (loopback)",
    "http://169.254.169.254:80": "is not a public address (metadata)",
    "socks5://[::1]:1080": "is not a public address (loopback)",
    "socks5://localhost:1080": "cannot be a public receiver",
    "http://squid.internal:3128": "cannot be a public receiver",
}


@pytest.mark.fault(
    "A team names a proxy in the dispatcher's own network, or a URL that is none",
    "422 with the place and the reason; nothing is connected to",
    cases=2 * len(WRONG),
)
async def test_a_wrong_proxy_is_refused_with_the_place_and_why(strict: RunningApi) -> None:
    webhook = await strict.webhook()
    for url, sentence in WRONG.items():
        body: dict[str, Any] = {"name": "n", "url": "https://x.example.com/", "events": ["*"], "proxy": {"url": url}}
        change = strict.as_acme.patch(f"/v1/webhooks/{webhook['id']}", {"proxy": {"url": url}})
        for refused in (await strict.as_acme.post("/v1/webhooks", body), await change):
            assert (refused.status, [each["path"] for each in refused.value["errors"]]) == (422, ["$.proxy.url"])
            assert sentence in refused.value["errors"][0]["message"]


async def test_where_the_operators_proxy_is_for_all_a_webhook_has_none_of_its_own(tmp_path: Path) -> None:
    lookups = lookups_by(resolving_to("93.184.216.34"))

    async with running_api(tmp_path, check_proxy=partial(check_proxy, EgressRules(), lookups, False)) as api:
        webhook = await api.webhook()
        refused = await api.as_acme.patch(f"/v1/webhooks/{webhook['id']}", {"proxy": {"url": URL}})
        assert refused.value["errors"][0]["message"].startswith("all deliveries go through the operator's proxy")


async def test_a_wrong_proxy_is_told_together_with_the_other_mistakes(strict: RunningApi) -> None:
    path = f"/v1/webhooks/{(await strict.webhook())['id']}"
    body: dict[str, Any] = {"name": "", "url": "https://x.example.com/", "proxy": {"url": "http://127.0.0.1:3128"}}
    for refused in (
        await strict.as_acme.post("/v1/webhooks", {**body, "events": ["*"]}),
        await strict.as_acme.patch(path, body),
    ):
        assert {each["path"] for each in refused.value["errors"]} == {"$.name", "$.proxy.url"}
