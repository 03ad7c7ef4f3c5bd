"""What the API tells of a delivery that waits for its retry (contract "Options of a webhook")."""

from typing import Any

import httpx
import pytest
import trio

from tests.support.api_client import PUBLIC_URL, RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")


async def waiting_for_retry(api: RunningApi) -> dict[str, Any]:
    """Submit an event that its receiver does not take; return its delivery once it waits for its retry."""
    await api.submit()
    with trio.fail_after(5):
        while True:
            [item] = (await api.as_acme.get("/v1/deliveries")).value["items"]
            if item["attemptsMade"]:
                return dict((await api.as_acme.get(f"/v1/deliveries/{item['id']}")).value)
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(("asked", "because"), [("7200", "retry_after"), ("60", "back_off"), ("soon", "back_off")])
async def test_a_delivery_says_when_its_next_attempt_is_due_and_why(api: RunningApi, asked: str, because: str) -> None:
    async def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(429, headers={"Retry-After": asked})

    api.daemon.receiver.answers[PUBLIC_URL] = answer
    await api.webhook(retrySchedule=[3600], retryAfter=True)
    shown = await waiting_for_retry(api)
    assert shown["nextAttemptBecause"] == because
    hours = int(shown["nextAttemptAt"][11:13]) - int(shown["createdAt"][11:13])
    assert hours % 24 in ((2, 3) if because == "retry_after" else (1, 2))


async def test_a_delivery_says_that_it_waits_aside(api: RunningApi) -> None:
    async def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(503)

    api.daemon.receiver.answers[PUBLIC_URL] = answer
    await api.webhook(retrySchedule=[3600], whileRetrying="step_aside")
    shown = await waiting_for_retry(api)
    assert (shown["status"], shown["waitsAside"], shown["nextAttemptBecause"]) == ("pending", True, "back_off")
    listed = (await api.as_acme.get("/v1/deliveries", status="pending", webhookId=shown["webhookId"])).value["items"]
    assert [item["id"] for item in listed] == [shown["id"]]


async def test_a_delivery_says_that_it_waits_for_the_pace_of_its_webhook(api: RunningApi) -> None:
    webhook = await api.webhook(maxPerSecond=0.01)
    event = await api.submit()
    [delivery] = (await api.as_acme.get(f"/v1/events/{event}")).value["deliveries"]
    assert (delivery["status"], delivery["waitingForPace"]) == ("pending", True)
    path = f"/v1/webhooks/{webhook['id']}"
    await api.as_acme.patch(path, {"paused": True})
    [listed] = (await api.as_acme.get("/v1/deliveries")).value["items"]
    assert (listed["waitingForPace"], listed["waitingForResume"]) == (False, True)
    await api.as_acme.patch(path, {"paused": False, "maxPerSecond": None})
    with trio.fail_after(5):
        while listed["status"] == "pending":
            [listed] = (await api.as_acme.get("/v1/deliveries")).value["items"]
            await trio.lowlevel.checkpoint()
    assert listed["waitingForPace"] is False
