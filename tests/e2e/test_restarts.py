"""What a daemon knows after a restart: all that it had acknowledged (contract "A delivery", "HTTP API", "Credits")."""

import json

from standardwebhooks import Webhook

from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import Operator, make_event, operated
from tests.support.process import Installation
from tests.support.receivers import ReceivedRequest, open_receiver


def number_of(request: ReceivedRequest) -> int:
    number: int = json.loads(request.body)["data"]["n"]
    return number


@ends_within(30)
async def test_teams_keys_and_webhooks_outlive_a_restart_and_a_revoked_key_stays_revoked(
    installation: Installation,
) -> None:
    async with open_receiver() as receiver:
        async with operated(installation) as operator:
            await operator.make_team("acme", "ann@example.com")
            kept, revoked = await operator.make_key(), await operator.make_key()
            await operator.call("DELETE", f"/v1/keys/{revoked['id']}", expect=204)
            webhook = await operator.make_webhook(receiver.url, secret="generate")
            teams, webhooks = await operator.list_all("/v1/teams"), await operator.list_all("/v1/webhooks")
        async with operated(installation, confidential=[kept["key"], webhook["secret"]]) as operator:
            assert await operator.list_all("/v1/teams") == teams
            assert await operator.list_all("/v1/webhooks") == webhooks
            operator.http.headers["Authorization"] = f"Bearer {revoked['key']}"
            await operator.call("GET", "/v1/verify", expect=401)
            operator.http.headers["Authorization"] = f"Bearer {kept['key']}"
            assert (await operator.call("GET", "/v1/verify"))["teamId"] == "acme"
            await operator.call("POST", "/v1/events", make_event(1), expect=202)
            [request] = await receiver.received(1)
            Webhook(webhook["secret"]).verify(request.body, {name.lower(): value for name, value in request.headers})


@ends_within(30)
async def test_an_idempotency_key_outlives_a_restart(installation: Installation) -> None:
    async with open_receiver() as receiver:
        async with operated(installation) as operator:
            await operator.make_team()
            await operator.make_webhook(receiver.url)
            operator.http.headers["Idempotency-Key"] = "once"
            receipt = await operator.call("POST", "/v1/events", make_event(1), expect=202)
            await operator.daemon.logged("delivery_succeeded")
            await operator.daemon.kill()
        async with operated(installation) as operator:
            operator.http.headers["Idempotency-Key"] = "once"
            assert await operator.call("POST", "/v1/events", make_event(1), expect=202) == receipt
            conflict = await operator.call("POST", "/v1/events", make_event(2), expect=409)
            assert conflict["code"] == "idempotency_conflict"
            operator.http.headers["Idempotency-Key"] = "another"
            await operator.call("POST", "/v1/events", make_event(3), expect=202)
            await operator.until_nothing_is_pending()
            assert [number_of(request) for request in receiver.requests] == [1, 3]
            assert len(await operator.deliveries()) == 2


@ends_within(30)
async def test_deliveries_wait_for_credits_across_a_restart_and_arrive_in_order_when_granted(
    new_installation: MakeInstallation,
) -> None:
    installation = new_installation(credits={"enforce": True})
    grant = {"teamId": "acme", "amount": 5, "note": "a test"}
    async with open_receiver() as receiver:
        async with operated(installation) as operator:
            await operator.make_team()
            await operator.make_webhook(receiver.url)
            await operator.call("POST", "/v1/credits/grants", grant, expect=201)
            await operator.submit(*range(6))
            await operator.daemon.logged("delivery_awaiting_credits")
            assert await waiting(operator) == [False] * 2 + [True] * 4
        async with operated(installation) as operator:
            await operator.daemon.logged("delivery_awaiting_credits")
            assert await waiting(operator) == [False] * 2 + [True] * 4
            assert len(receiver.requests) == 2, "5 credits pay for two"
            await operator.call("POST", "/v1/credits/grants", {**grant, "amount": 7}, expect=201)
            await operator.until_nothing_is_pending()
            assert [number_of(request) for request in receiver.requests] == list(range(6))
            assert (await operator.call("GET", "/v1/credits", teamId="acme"))["balance"] == 0


async def waiting(operator: Operator) -> list[bool]:
    """Which deliveries wait for credits, oldest first; asserts that exactly those are pending."""
    deliveries = await operator.deliveries()
    assert [delivery["status"] == "pending" for delivery in deliveries] == [
        delivery["waitingForCredits"] for delivery in deliveries
    ]
    return [delivery["waitingForCredits"] for delivery in deliveries]
