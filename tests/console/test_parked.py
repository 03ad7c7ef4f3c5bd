"""A webhook at which the daemon itself keeps failing is seen: in the API, in the console, by the operator."""

import httpx
import trio
from trio.testing import MockClock

from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient


async def crash(_request: httpx.Request) -> httpx.Response:
    raise RuntimeError("a mistake in our own code")


async def test_a_parked_webhook_is_seen_everywhere_and_goes_on_when_it_is_enabled_anew(
    api: RunningApi, acme: ConsoleClient, operator: ConsoleClient, root: str, autojump_clock: MockClock
) -> None:
    webhook = await api.webhook(name="CRM Sync")
    assert webhook["parked"] is False
    api.daemon.receiver.answers[webhook["url"]] = crash
    await api.submit()
    await trio.sleep(60)
    path = f"/v1/webhooks/{webhook['id']}"
    assert (await api.as_acme.get(path)).value["parked"] is True
    assert (await api.as_acme.get("/v1/webhooks")).value["items"][0]["parked"] is True
    assert 'class="badge parked"' in (await acme.get(f"{root}/webhooks")).text
    page = (await acme.get(f"{root}/webhooks/{webhook['id']}")).text
    assert "the daemon crashed on them repeatedly" in page
    system = (await operator.get("/console/system")).text
    assert "Parked webhooks: 1" in system
    assert f"{root}/webhooks/{webhook['id']}" in system

    del api.daemon.receiver.answers[webhook["url"]]
    await api.as_acme.patch(path, {"active": True})
    await trio.sleep(60)
    assert (await api.as_acme.get(path)).value["parked"] is False
    assert "Parked webhooks: 0" in (await operator.get("/console/system")).text
    [delivery] = (await api.as_acme.get("/v1/deliveries")).value["items"]
    assert delivery["status"] == "succeeded"
