"""No secret, key, signature or payload ends up where it does not belong (contract "HTTP API").

The log of every test here is read strictly when its daemon has ended; this one makes each line that it can.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import MESSAGE_SENT, PAYLOAD, Gate, Operator, make_event, operated
from tests.support.receivers import Exchange, Receiver, in_turn, open_receiver, respond, response

_EXPECTED_LINES = {
    "daemon_started", "dev_mode", "operator_key_created", "daemon_ready", "daemon_stopping", "daemon_stopped",
    "team_created", "team_changed", "key_created", "key_revoked", "credits_granted",
    "webhook_created", "webhook_changed", "webhook_disabled", "webhook_enabled", "webhook_deleted",
    "attempt_ended", "delivery_succeeded", "delivery_failed", "delivery_resent", "deliveries_cancelled",
    "deliveries_recovered", "mail_queued", "mail_sent",
}  # fmt: skip


async def echo(exchange: Exchange) -> None:
    """Fail, and echo everything: headers, signatures and payload, as a careless receiver may."""
    headers = [("X-Echo", exchange.request.header("x-kakiyo-signature") or "unsigned")]
    await exchange.send(response(500, exchange.request.head + exchange.request.body, headers))


@ends_within(30)
async def test_nothing_confidential_is_in_the_log_in_errors_or_in_files_beside_the_database(
    new_installation: MakeInstallation,
) -> None:
    installation = new_installation(delivery={"retry_delays_s": [0.01]})
    async with open_receiver(in_turn(respond(200), respond(200), echo)) as receiver, operated(installation) as operator:
        answers = await do_everything(operator, receiver)
        signatures = {
            value
            for request in receiver.requests
            for name in ("x-kakiyo-signature", "webhook-signature")
            if (value := request.header(name))
        }
        assert len(signatures) > 2
        operator.confidential |= signatures
        check_texts(answers, operator)
        check_files(installation.state_dir, operator)
    check_files(installation.state_dir, operator)
    missing = [event for event in sorted(_EXPECTED_LINES) if not operator.daemon.log_lines(event)]
    assert not missing, "each of these happened and is documented, so it must be logged"


async def do_everything(operator: Operator, receiver: Receiver) -> list[str]:
    """Take a webhook through its whole life, and be refused often; return the texts of the refusals."""
    await operator.make_team("acme", "ann@example.com")
    await operator.call("PATCH", "/v1/teams/acme", {"name": "Acme Ltd"})
    key, revoked = await operator.make_key(), await operator.make_key()
    await operator.call("DELETE", f"/v1/keys/{revoked['id']}", expect=204)
    await operator.call("POST", "/v1/credits/grants", {"teamId": "acme", "amount": 10}, expect=201)
    webhook = await operator.make_webhook(receiver.url, secret="generate")
    path = f"/v1/webhooks/{webhook['id']}"
    await operator.submit(1)
    [delivered] = await operator.daemon.logged("delivery_succeeded")
    await operator.call("POST", f"/v1/deliveries/{delivered['deliveryId']}/resend", expect=202)
    await operator.daemon.logged("delivery_succeeded", 2)
    await operator.submit(2, 3, 4, 5, 6)
    await operator.daemon.logged("mail_sent")
    await operator.call("PATCH", path, {"active": True})
    receiver.answer = gate = Gate()
    await operator.call("PATCH", path, {"name": "CRM"})
    await operator.call("POST", f"{path}/recover", {"since": "2020-01-01T00:00:00Z"}, expect=202)
    await operator.call("DELETE", path, expect=204)
    gate.opened.set()
    return await provoke_refusals(operator, key["key"], webhook["secret"])


async def provoke_refusals(operator: Operator, key: str, secret: str) -> list[str]:
    """Return the texts of answers to requests that carry confidential things where they are refused."""
    answers: list[httpx.Response] = []
    for headers in ({"Authorization": f"Bearer {key}x"}, {"Authorization": key}, {"Authorization": f"Basic {key}"}):
        answers.append(await operator.http.get("/v1/verify", headers=headers))
    event = make_event(1)
    webhook = {"teamId": "acme", "name": "x", "url": "https://127.0.0.1/", "events": ["*"], "secret": secret}
    for path, body in (
        ("/v1/events", {**event, "event": "no.such.type"}),
        ("/v1/events", {**event, "data": PAYLOAD}),
        ("/v1/events", {**event, "unknown": PAYLOAD}),
        ("/v1/events", {**event, "teamId": "nobody"}),
        ("/v1/webhooks", {**webhook, "events": []}),
        ("/v1/webhooks", {**webhook, "secret": secret + "!"}),
        ("/v1/webhooks", {**webhook, "secret": {"value": secret}}),
        ("/v1/webhooks", {**webhook, "url": "ftp://example.com/"}),
    ):
        answers.append(await operator.http.post(path, json=body))
    broken = f'{{"event": "{MESSAGE_SENT}", "data": {{"message": "{PAYLOAD}'
    answers.append(await operator.http.post("/v1/events", content=broken, headers={"Content-Type": "application/json"}))
    answers.append(await operator.http.post("/v1/events", content=broken, headers={"Content-Type": "text/plain"}))
    answers.append(await operator.http.get(f"/v1/deliveries/{secret}"))
    assert all(400 <= answer.status_code < 500 for answer in answers), answers
    return [answer.text for answer in answers]


def check_texts(answers: list[str], operator: Operator) -> None:
    for answer in answers:
        assert not [text for text in operator.confidential if text in answer], answer


def check_files(state_dir: Path, operator: Operator) -> None:
    """Keys and signatures are in no file, but the operator's key in its own; the rest is in the database alone."""
    for name, file in files_of(state_dir):
        content = file.read_bytes()
        found = {text for text in operator.confidential if text.encode() in content}
        if name == "operator.key":
            assert found == {operator.daemon.installation.read_key()}
        elif name.startswith("kakiyo-webhooks.db"):
            assert not [text for text in found if text.startswith("kwh_")], name
        else:
            assert not found, (name, found)


def files_of(state_dir: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(state_dir.rglob("*")):
        if file.is_file():
            yield file.relative_to(state_dir).as_posix(), file
