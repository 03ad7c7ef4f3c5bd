"""A delivery over TLS, verified by other libraries (contract "Payload and headers of a delivery")."""

import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from standardwebhooks import Webhook

from daemon import __version__
from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import MESSAGE_SENT, Operator, make_event, operated
from tests.support.receivers import ReceivedRequest, Receiver, in_turn, open_receiver, respond
from tests.support.tls import TestAuthority, self_signed_context

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
FILLED_IN = "linkedin.invitation.accepted"


@pytest.fixture
async def receiver(authority: TestAuthority) -> AsyncIterator[Receiver]:
    async with open_receiver(tls=authority.server_context("127.0.0.1")) as running:
        yield running


@pytest.fixture
async def operator(new_installation: MakeInstallation, authority: TestAuthority) -> AsyncIterator[Operator]:
    egress = {"ca_file": str(authority.ca_file), "allow_networks": ["127.0.0.0/8"]}
    installation = new_installation(dev=False, egress=egress, delivery={"retry_delays_s": [0.01]})
    async with operated(installation, confidential=[SECRET]) as operator:
        await operator.make_team()
        yield operator


def headers_of(request: ReceivedRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers}


async def openssl_hmac(body: bytes, secret: str, directory: Path) -> str:
    """Return openssl's HMAC-SHA256 of the raw body."""
    file = directory / "body"
    file.write_bytes(body)
    command = ["openssl", "dgst", "-sha256", "-hmac", secret, "-r", str(file)]
    return (await trio.run_process(command, capture_stdout=True)).stdout.split()[0].decode()


@ends_within(20)
async def test_other_libraries_verify_both_signatures_over_the_raw_body(
    operator: Operator, receiver: Receiver, tmp_path: Path
) -> None:
    await operator.make_webhook(receiver.url, secret=SECRET)
    await operator.call("POST", "/v1/events", make_event(1, event=FILLED_IN), expect=202)
    [request] = await receiver.received(1)
    headers = headers_of(request)
    verified = Webhook(SECRET).verify(request.body, headers)
    assert verified["data"]["n"] == 1
    assert headers["x-kakiyo-signature"] == await openssl_hmac(request.body, SECRET, tmp_path)
    operator.confidential |= {headers["x-kakiyo-signature"], headers["webhook-signature"]}
    await operator.daemon.logged("delivery_succeeded")


@ends_within(20)
async def test_a_delivery_has_the_promised_body_and_headers_and_no_others(
    operator: Operator, receiver: Receiver
) -> None:
    webhook = await operator.make_webhook(receiver.url, secret="not of the standard's form: äöü")
    moment = "2025-07-15T12:30:00.123456+02:00"
    data = {"z": 1, "a": "Grüße", "nested": [{"b": None}]}
    event = {"event": MESSAGE_SENT, "teamId": "acme", "timestamp": moment, "data": data}
    await operator.call("POST", "/v1/events", event, expect=202)
    [request] = await receiver.received(1)
    [line] = await operator.daemon.logged("delivery_succeeded")
    serialised = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    start = f'{{"event":"{MESSAGE_SENT}","teamId":"acme","timestamp":"2025-07-15T10:30:00.123Z",'
    assert request.request_line == "POST /hook HTTP/1.1"
    assert request.body.decode() == f'{start}"data":{serialised}}}'
    headers = headers_of(request)
    assert abs(int(headers.pop("webhook-timestamp")) - time.time()) < 30
    assert re.fullmatch("[0-9a-f]{64}", headers.pop("x-kakiyo-signature"))
    assert headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "content-type": "application/json",
        "content-length": str(len(request.body)),
        "user-agent": f"kakiyo-webhooks/{__version__}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "webhook-id": line["deliveryId"],
        "x-kakiyo-event": MESSAGE_SENT,
        "x-kakiyo-delivery": line["deliveryId"],
        "x-kakiyo-attempt": "1",
    }
    assert line["webhookId"] == webhook["id"]


@ends_within(20)
async def test_a_test_delivery_says_so_and_is_signed_only_where_there_is_a_secret(
    operator: Operator, receiver: Receiver
) -> None:
    signed = await operator.make_webhook(receiver.url, FILLED_IN, secret="generate")
    await operator.make_webhook(receiver.url, MESSAGE_SENT)
    for event in (FILLED_IN, MESSAGE_SENT):
        await operator.call("POST", "/v1/webhooks/test", {"event": event, "teamId": "acme"}, expect=202)
    requests = {request.header("x-kakiyo-event"): request for request in await receiver.received(2)}
    assert {request.header("x-kakiyo-test") for request in requests.values()} == {"true"}
    Webhook(signed["secret"]).verify(requests[FILLED_IN].body, headers_of(requests[FILLED_IN]))
    assert not {"x-kakiyo-signature", "webhook-signature"} & headers_of(requests[MESSAGE_SENT]).keys()


@ends_within(20)
async def test_a_retry_repeats_the_id_and_the_bytes_with_a_new_signature(
    operator: Operator, receiver: Receiver
) -> None:
    receiver.answer = in_turn(respond(503), respond(200))
    await operator.make_webhook(receiver.url, secret=SECRET)
    await operator.submit(1)
    first, second = await receiver.received(2)
    assert first.body == second.body
    assert first.header("webhook-id") == second.header("webhook-id")
    assert (first.header("x-kakiyo-attempt"), second.header("x-kakiyo-attempt")) == ("1", "2")
    for request in (first, second):
        Webhook(SECRET).verify(request.body, headers_of(request))


@ends_within(20)
async def test_a_resend_repeats_the_bytes_under_a_new_id(operator: Operator, receiver: Receiver) -> None:
    await operator.make_webhook(receiver.url, secret=SECRET)
    await operator.submit(1)
    [line] = await operator.daemon.logged("delivery_succeeded")
    resent = await operator.call("POST", f"/v1/deliveries/{line['deliveryId']}/resend", expect=202)
    first, second = await receiver.received(2)
    assert first.body == second.body
    assert first.header("webhook-id") == line["deliveryId"] != second.header("webhook-id") == resent["id"]
    assert second.header("x-kakiyo-attempt") == "1"
    Webhook(SECRET).verify(second.body, headers_of(second))
    await operator.daemon.logged("delivery_succeeded", deliveryId=resent["id"])
    assert (await operator.call("GET", "/v1/credits", teamId="acme"))["balance"] == -4


@ends_within(20)
async def test_without_dev_only_allowed_networks_and_trusted_certificates_are_taken(
    operator: Operator, tmp_path: Path
) -> None:
    for url in ("http://127.0.0.1/", "https://10.0.0.1/"):
        body = {"teamId": "acme", "name": "inside", "url": url, "events": ["*"]}
        assert (await operator.call("POST", "/v1/webhooks", body, expect=422))["code"] == "url_not_allowed"
    async with open_receiver(tls=self_signed_context("127.0.0.1", tmp_path)) as stranger:
        await operator.make_webhook(stranger.url)
        await operator.submit(1)
        [line] = await operator.daemon.logged("delivery_failed")
        assert line["outcome"] == "tls_error"
        assert stranger.requests == []
