"""The demo finds out when a promise is broken: a check that cannot fail proves nothing."""

from collections.abc import Callable
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest

from daemon.crypto.signing import Secrets, signature_headers
from daemon.demo.checks import check_everything, check_exit
from daemon.demo.observation import Observation, SeenAttempt, SeenDelivery
from daemon.demo.receiver import ReceivedRequest
from daemon.demo.scenario import ADDRESS, GRANTED, Receiver, RegisteredWebhook, Role, SubmittedEvent

NOW = 1_752_575_400
TYPES = [f"type.{number}" for number in range(6)]
SECRETS = {
    Role.HEALTHY: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
    Role.RECOVERING: "plain",
    Role.DOWN: None,
}
WAITS = (0, 1, 2, 4)


def _attempts(begin: float, outcomes: list[str]) -> tuple[SeenAttempt, ...]:
    attempts, at = [], begin
    for wait, outcome in zip(WAITS, outcomes, strict=False):
        at += wait
        attempts.append(SeenAttempt(at, at + 0.01, outcome, 200 if outcome == "delivered" else None))
        at += 0.01
    return tuple(attempts)


def _delivery(role: Role, place: int, begin: float) -> SeenDelivery:
    outcomes, status, reason = ["delivered"], "succeeded", None
    if role is Role.RECOVERING and place == 0:
        outcomes = ["http_error", "http_error", "delivered"]
    if role is Role.DOWN:
        outcomes, status = (["connect_error"] * 4, "failed") if place < 4 else ([], "cancelled")
        reason = "webhook_disabled" if place >= 4 else None
    attempts = _attempts(begin, outcomes)
    delivery_id = f"dlv_{role.name}_{place}"
    return SeenDelivery(delivery_id, f"evt_{place}", TYPES[place], role.name, status, len(attempts), reason, attempts)


def _deliveries(role: Role) -> list[SeenDelivery]:
    made, begin = [], float(NOW)
    for place in range(6):
        delivery = _delivery(role, place, begin)
        begin = delivery.attempts[-1].ended_at if delivery.attempts else begin
        made.append(delivery)
    return made


def _request(delivery: SeenDelivery, attempt: SeenAttempt, secret: str) -> ReceivedRequest:
    sent_at, body = int(attempt.started_at), b'{"event":"x"}'
    headers = [("webhook-id", delivery.id), ("webhook-timestamp", str(sent_at))]
    headers += signature_headers(Secrets(secret), delivery.id, sent_at, body)
    named = tuple((name.lower(), value) for name, value in headers)
    return ReceivedRequest(int(attempt.started_at * 1000), "POST", "/", named, body)


def _webhook(role: Role, deliveries: list[SeenDelivery]) -> RegisteredWebhook:
    secret = SECRETS[role]
    listener: Any = None if role is Role.DOWN else object()
    requests = [_request(each, attempt, secret) for each in deliveries for attempt in each.attempts] if secret else []
    return RegisteredWebhook(role.name, role.name, secret, Receiver(role, "http://x", listener, requests))


def _email(to: str = ADDRESS, subject: str = "Webhook “DOWN” was disabled") -> EmailMessage:
    email = EmailMessage()
    email["To"], email["Subject"] = to, subject
    email.set_content("Hello")
    return email


def _as_promised() -> Observation:
    deliveries = {role: _deliveries(role) for role in Role}
    everything = [each for role in Role for each in deliveries[role]]
    shown = [
        {"id": role.name, "active": role is not Role.DOWN, "disabledAt": "x", "consecutiveFailures": 0}
        | {"disabledReason": "consecutive_failures" if role is Role.DOWN else None}
        for role in Role
    ]
    debits = [{"deliveryId": each.id, "amount": -2} for each in everything if each.status == "succeeded"]
    return Observation(
        tuple(_webhook(role, deliveries[role]) for role in Role),
        tuple(SubmittedEvent(f"evt_{place}", name, f"evt_{place}") for place, name in enumerate(TYPES)),
        tuple(reversed(everything)),
        tuple(shown),
        GRANTED - 24,
        ({"deliveryId": None, "amount": GRANTED}, *debits),
        (_email(),),
    )


def _broken(seen: Observation) -> list[str]:
    return [check.promise for check in check_everything(seen) if not check.kept]


def _with_delivery(seen: Observation, delivery_id: str, change: Callable[[SeenDelivery], SeenDelivery]) -> Observation:
    changed = tuple(change(each) if each.id == delivery_id else each for each in seen.deliveries)
    return replace(seen, deliveries=changed)


def _shifted(delivery: SeenDelivery, number: int, by_s: float) -> SeenDelivery:
    attempts = list(delivery.attempts)
    attempts[number] = replace(
        attempts[number], started_at=attempts[number].started_at + by_s, ended_at=attempts[number].ended_at + by_s
    )
    return replace(delivery, attempts=tuple(attempts))


def test_what_is_as_promised_passes_every_check() -> None:
    assert _broken(_as_promised()) == []
    assert len(check_everything(_as_promised())) == 12


@pytest.mark.parametrize("by_s", [-0.2, 1.5])
def test_a_retry_that_is_early_or_late_is_found(by_s: float) -> None:
    seen = _with_delivery(_as_promised(), "dlv_DOWN_3", lambda each: _shifted(each, 3, by_s))
    assert _broken(seen) == ["Retries come after 1 s, 2 s and 4 s"]


def test_deliveries_out_of_order_are_found() -> None:
    seen = _with_delivery(_as_promised(), "dlv_HEALTHY_2", lambda each: _shifted(each, 0, 3))
    assert _broken(seen) == ["Each webhook in order, one at a time"]


def test_requests_that_arrived_out_of_order_are_found() -> None:
    seen = _as_promised()
    seen.webhooks[0].receiver.requests.reverse()
    assert _broken(seen) == ["Each webhook in order, one at a time"]


def test_a_delivery_too_few_or_too_many_is_found() -> None:
    seen = _as_promised()
    assert "One delivery for each event and webhook" in _broken(replace(seen, deliveries=seen.deliveries[1:]))
    assert "One delivery for each event and webhook" in _broken(
        replace(seen, deliveries=(*seen.deliveries, replace(seen.deliveries[0], id="dlv_again")))
    )


def test_a_wrong_signature_is_found() -> None:
    seen = _as_promised()
    requests = seen.webhooks[0].receiver.requests
    requests[3] = replace(requests[3], body=b"forged")
    assert _broken(seen) == ["HEALTHY: every signature is valid"]


def test_a_missing_scheme_is_found() -> None:
    seen = _as_promised()
    requests = seen.webhooks[0].receiver.requests
    requests[3] = replace(
        requests[3], headers=tuple(pair for pair in requests[3].headers if "signature" not in pair[0])
    )
    assert _broken(seen) == ["HEALTHY: every signature is valid"]


@pytest.mark.parametrize(
    "emails", [(), (_email(), _email()), (_email(to="else@example.com"),), (_email(subject="Hello"),)]
)
def test_an_email_too_few_too_many_or_wrong_is_found(emails: tuple[EmailMessage, ...]) -> None:
    assert _broken(replace(_as_promised(), emails=emails)) == ["Exactly one email to ops@example.com"]


def test_credits_charged_wrongly_are_found() -> None:
    seen = _as_promised()
    promise = ["2 credits for each success, else none"]
    assert _broken(replace(seen, balance=seen.balance - 2)) == promise
    assert _broken(replace(seen, ledger=seen.ledger[:-1])) == promise
    assert _broken(replace(seen, ledger=(*seen.ledger, {"deliveryId": "dlv_DOWN_0", "amount": -2}))) == promise


def test_a_webhook_that_stayed_active_is_found() -> None:
    seen = _as_promised()
    shown = tuple({**each, "active": True} for each in seen.shown_webhooks)
    assert _broken(replace(seen, shown_webhooks=shown)) == ["Only DOWN is disabled"]


def test_a_delivery_that_was_not_cancelled_is_found() -> None:
    seen = _with_delivery(_as_promised(), "dlv_DOWN_5", lambda each: replace(each, status="pending"))
    assert _broken(seen) == ["DOWN: 4 fail, the rest cancelled"]


def test_an_event_accepted_twice_is_found() -> None:
    seen = _as_promised()
    events = (replace(seen.events[0], repeated_id="evt_other"), *seen.events[1:])
    assert _broken(replace(seen, events=events)) == ["A repeated Idempotency-Key sends nothing"]


@pytest.mark.parametrize(("exit_code", "kept"), [(0, True), (1, False), (-9, False), (None, False)])
def test_a_daemon_that_did_not_end_cleanly_is_found(exit_code: int | None, kept: bool) -> None:
    assert check_exit(exit_code).kept is kept
