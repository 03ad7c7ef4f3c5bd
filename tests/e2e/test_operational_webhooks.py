"""A real receiver is told by a real daemon, and verifies who tells it (contract "Operational webhooks")."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.support.receivers import ReceivedRequest, open_receiver, respond

_QUICK = {"retry_delays_s": [0.01, 0.02, 0.04]}


def verified(request: ReceivedRequest, secret: str) -> Any:
    """Return the body of a delivery whose signature is genuine."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{request.header('webhook-id')}.{request.header('webhook-timestamp')}.".encode() + request.body
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert request.header("webhook-signature") == f"v1,{expected}"
    return json.loads(request.body)


def once_each(requests: Sequence[ReceivedRequest]) -> list[ReceivedRequest]:
    """Return the first request of each delivery."""
    return list({request.header("webhook-id"): request for request in reversed(requests)}.values())[::-1]


@ends_within(40)
async def test_a_team_and_the_operator_are_told_and_a_kill_loses_nothing(new_installation: MakeInstallation) -> None:
    installation = new_installation(delivery=_QUICK)
    public_url = {"KAKIYO_WEBHOOKS_PUBLIC_URL": "https://hooks.example.com"}
    async with (
        open_receiver(respond(503)) as broken,
        open_receiver(respond(204)) as ours,
        open_receiver(respond(204)) as slack,
    ):
        async with operated(installation, environment=public_url) as operator:
            await operator.make_team("acme")
            webhook = await operator.make_webhook(broken.url)
            ops = await operator.make_webhook(ours.url, about="operations", secret="generate")  # asks for one
            body = {"name": "Slack", "url": slack.url, "events": ["webhook.disabled"], "about": "operations"}
            theirs = await operator.call(
                "POST", "/v1/webhooks", {**body, "bodyFormat": "slack", "secret": "generate"}, expect=201
            )
            operator.confidential.add(theirs["secret"])
            await operator.submit(1, 2, 3, 4)
            await operator.daemon.logged("webhook_disabled", webhookId=webhook["id"])
            await operator.daemon.kill()
        async with operated(installation, environment=public_url) as operator:
            await ours.received(2)
            await slack.received(1)
            await operator.until_nothing_is_pending()
        # A kill between a 2xx and its commit has a delivery sent again, under the same id.
        told = [verified(request, ops["secret"]) for request in once_each(ours.requests)]
        [to_slack] = once_each(slack.requests)
        assert [body["event"] for body in told] == ["webhook.failing", "webhook.disabled"]
        assert told[1]["teamId"] == "acme"
        assert told[1]["data"]["url"] == f"https://hooks.example.com/console/webhooks/{webhook['id']}"
        sentence = verified(to_slack, theirs["secret"])
        assert sentence == {"text": f"{told[1]['data']['text']} {told[1]['data']['url']}"}


@ends_within(20)
async def test_no_operational_webhook_reaches_the_inside(new_installation: MakeInstallation) -> None:
    async with operated(new_installation(dev=False)) as operator:
        await operator.make_team("acme")
        for url in ("https://127.0.0.1/", "https://169.254.169.254/latest/meta-data", "http://93.184.216.34/"):
            body = {"name": "Ops", "url": url, "events": ["*"], "about": "operations"}
            for team in ({}, {"teamId": "acme"}):
                refused = await operator.call("POST", "/v1/webhooks", {**body, **team}, expect=422)
                assert refused["code"] == "url_not_allowed"
