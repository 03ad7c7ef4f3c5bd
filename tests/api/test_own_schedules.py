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
