"""Key pairs of webhooks: what they sign, their public half, and rotating them (contract "Options of a webhook")."""

import base64
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from trio.testing import MockClock

from daemon.crypto.signing import generate_secret
from daemon.domain.model import Team, Webhook
from daemon.domain.signature_schemes import SignatureScheme
from daemon.domain.webhook_options import WebhookOptions
from tests.support.api_client import RunningApi, running_api
from tests.support.daemon import Arrival, RunningDaemon, running, skip_ahead, statuses

URL = "https://a.example/hook"
DAY = 24 * 3600
SECRET, OWN_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=", "a secret of another form"


def verifies(public_key: str, arrival: Arrival) -> bool:
    """Whether one of the delivery's `v1a` signatures is this key's."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_"), validate=True))
    headers = arrival.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + arrival.body
    for value in headers.get("webhook-signature", "").split():
        version, _, signature = value.partition(",")
        try:
            if version == "v1a":
                key.verify(base64.b64decode(signature, validate=True), signed)
                return True
        except InvalidSignature:
            continue
    return False


def versions(arrival: Arrival) -> list[str]:
    return [value.partition(",")[0] for value in arrival.headers.get("webhook-signature", "").split()]


def public_key_of(webhook: Webhook) -> str:
    keys = webhook.options.signing_keys
    assert keys is not None
    return keys.current.public


async def signed_webhook(
    daemon: RunningDaemon, team: Team, scheme: SignatureScheme, secret: str | None = None
) -> Webhook:
    options = WebhookOptions(signature_scheme=scheme)
    return await daemon.parts.webhooks.create(team.id, "n", URL, secret, ("*",), options=options)


async def next_delivery(daemon: RunningDaemon, team: Team) -> Arrival:
    before = len(daemon.receiver.arrivals)
    await daemon.submit(team, before)
    await trio.sleep(1)
    [arrival] = daemon.receiver.arrivals[before:]
    return arrival


@pytest.mark.parametrize(
    ("scheme", "secret", "expected", "product"),
    [
        (SignatureScheme.HMAC, SECRET, ["v1"], True),
        (SignatureScheme.ED25519, SECRET, ["v1a"], False),
        (SignatureScheme.ED25519, None, ["v1a"], False),
        (SignatureScheme.BOTH, SECRET, ["v1", "v1a"], True),
        (SignatureScheme.BOTH, OWN_SECRET, ["v1a"], True),
        (SignatureScheme.BOTH, None, ["v1a"], False),
    ],
)
async def test_the_scheme_says_what_signs(
    tmp_path: Path,
    autojump_clock: MockClock,
    scheme: SignatureScheme,
    secret: str | None,
    expected: list[str],
    product: bool,
) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        webhook = await signed_webhook(daemon, team, scheme, secret)
        arrival = await next_delivery(daemon, team)
    assert (versions(arrival), "x-kakiyo-signature" in arrival.headers) == (expected, product)
    if scheme.uses_key:
        assert verifies(public_key_of(webhook), arrival)


async def test_a_key_pair_signs_after_a_restart_as_before(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        webhook = await signed_webhook(daemon, team, SignatureScheme.ED25519)
    async with running(tmp_path) as daemon:
        assert verifies(public_key_of(webhook), await next_delivery(daemon, team))


async def test_during_the_overlap_both_key_pairs_sign_and_afterwards_the_new_one_alone(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        webhook = await signed_webhook(daemon, team, SignatureScheme.ED25519)
        old = public_key_of(webhook)
        rotated = await daemon.parts.webhooks.rotate_secret(webhook.id, None, DAY, signing_key=True)
        assert rotated is not None
        new = public_key_of(rotated)
        during = await next_delivery(daemon, team)
        await skip_ahead(DAY)
        after = await next_delivery(daemon, team)
    assert new != old
    assert [[verifies(key, arrival) for key in (new, old)] for arrival in (during, after)] == [
        [True, True],
        [True, False],
    ]
    assert (versions(during), versions(after)) == (["v1a", "v1a"], ["v1a"])


async def test_without_an_overlap_the_key_pair_before_signs_no_more(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        webhook = await signed_webhook(daemon, team, SignatureScheme.BOTH, SECRET)
        await daemon.parts.webhooks.rotate_secret(webhook.id, generate_secret(), 0, signing_key=True)
        arrival = await next_delivery(daemon, team)
    assert versions(arrival) == ["v1", "v1a"]
    assert not verifies(public_key_of(webhook), arrival)


async def test_a_delivery_in_retry_when_its_key_is_rotated_is_signed_with_both_at_the_next_attempt(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        webhook = await signed_webhook(daemon, team, SignatureScheme.ED25519)
        daemon.receiver.answers[URL] = statuses(500)
        await daemon.submit(team, 1)
        await trio.sleep(0.5)
        rotated = await daemon.parts.webhooks.rotate_secret(webhook.id, None, DAY, signing_key=True)
        await trio.sleep(1)
        first, second = daemon.receiver.arrivals[:2]
    assert rotated is not None
    assert first.delivery_id == second.delivery_id
    assert (versions(first), versions(second)) == (["v1a"], ["v1a", "v1a"])
    assert verifies(public_key_of(rotated), second)


@pytest.fixture
async def api(tmp_path: Path, autojump_clock: MockClock) -> Any:
    async with running_api(tmp_path) as api:
        yield api


async def key_of(api: RunningApi, webhook_id: str) -> dict[str, Any]:
    answer = await api.as_acme.get(f"/v1/webhooks/{webhook_id}/public-key")
    assert answer.status == 200
    return dict(answer.value)


@pytest.mark.usefixtures("each_engine")
async def test_the_public_key_is_shown_with_the_one_before_while_that_signs(api: RunningApi) -> None:
    webhook = await api.webhook(signatureScheme="ed25519")
    path = f"/v1/webhooks/{webhook['id']}"
    first = await key_of(api, webhook["id"])
    assert first["publicKey"] == webhook["publicKey"]
    assert (first["signatureScheme"], first["previous"]) == ("ed25519", None)
    loaded = load_pem_public_key(first["pem"].encode())
    assert isinstance(loaded, Ed25519PublicKey)
    assert base64.b64encode(loaded.public_bytes_raw()).decode() == first["publicKey"].removeprefix("whpk_")
    rotated = await api.as_acme.post(f"{path}/rotate-secret", {"overlapHours": 2})
    second = await key_of(api, webhook["id"])
    assert (rotated.status, rotated.value["publicKey"]) == (200, second["publicKey"])
    assert second["publicKey"] != first["publicKey"]
    assert {name: second["previous"][name] for name in ("publicKey", "pem", "createdAt")} == {
        name: first[name] for name in ("publicKey", "pem", "createdAt")
    }
    assert second["previous"]["expiresAt"] == rotated.value["previousPublicKeyExpiresAt"]
    assert "secret" not in rotated.value
    await api.as_acme.post(f"{path}/rotate-secret", {"overlapHours": 0})
    assert (await key_of(api, webhook["id"]))["previous"] is None


async def test_a_webhook_without_a_key_pair_has_no_public_key_and_says_how_to_get_one(api: RunningApi) -> None:
    webhook = await api.webhook(secret="generate")
    answer = await api.as_acme.get(f"/v1/webhooks/{webhook['id']}/public-key")
    assert (answer.status, answer.value["code"], webhook["publicKey"]) == (404, "not_found", None)
    assert "signatureScheme" in answer.value["detail"]


@pytest.mark.usefixtures("each_engine")
async def test_a_key_pair_is_made_once_and_stays_when_the_scheme_changes(api: RunningApi) -> None:
    webhook = await api.webhook()
    path = f"/v1/webhooks/{webhook['id']}"
    keys = [
        (await api.as_acme.patch(path, {"signatureScheme": scheme})).value["publicKey"]
        for scheme in ("both", "ed25519", "hmac", None, "both")
    ]
    assert keys[0].startswith("whpk_")
    assert len(set(keys)) == 1


async def test_a_rotation_replaces_what_signs_or_what_it_is_told_to(api: RunningApi) -> None:
    webhook = await api.webhook(signatureScheme="both", secret=SECRET)
    path = f"/v1/webhooks/{webhook['id']}/rotate-secret"
    both = (await api.as_acme.post(path, {})).value
    secret_alone = (await api.as_acme.post(path, {"signatureScheme": "hmac"})).value
    key_alone = (await api.as_acme.post(path, {"signatureScheme": "ed25519"})).value
    assert both["secret"] != SECRET
    assert both["publicKey"] != webhook["publicKey"]
    assert (secret_alone["publicKey"], "secret" in secret_alone) == (both["publicKey"], True)
    assert ("secret" in key_alone, key_alone["publicKey"] == both["publicKey"]) == (False, False)


@pytest.mark.parametrize(
    ("scheme", "body", "place"),
    [
        ("hmac", {"signatureScheme": "ed25519"}, "$.signatureScheme"),
        ("hmac", {"signatureScheme": "both"}, "$.signatureScheme"),
        ("ed25519", {"secret": SECRET}, "$.secret"),
        ("ed25519", {"switchNow": True, "overlapHours": 1}, "$.switchNow"),
        ("both", {"signatureScheme": "rsa"}, "$.signatureScheme"),
        ("both", {"signatureScheme": None}, "$.signatureScheme"),
    ],
)
async def test_a_rotation_of_what_is_not_there_is_refused_with_its_place(
    api: RunningApi, scheme: str, body: dict[str, Any], place: str
) -> None:
    webhook = await api.webhook(signatureScheme=scheme)
    answer = await api.as_acme.post(f"/v1/webhooks/{webhook['id']}/rotate-secret", body)
    assert (answer.status, [error["path"] for error in answer.value["errors"]]) == (422, [place])
    assert (await api.as_acme.get(f"/v1/webhooks/{webhook['id']}")).value["publicKey"] == webhook["publicKey"]


async def test_a_repeated_rotation_makes_no_second_key_pair(api: RunningApi) -> None:
    webhook = await api.webhook(signatureScheme="ed25519")
    path = f"/v1/webhooks/{webhook['id']}/rotate-secret"
    answers = [await api.as_acme.post(path, {}, **{"Idempotency-Key": "once"}) for _ in range(2)]
    assert answers[0].value == answers[1].value
    assert (await key_of(api, webhook["id"]))["publicKey"] == answers[0].value["publicKey"]


async def test_no_secret_key_leaves_the_daemon(api: RunningApi) -> None:
    webhook = await api.webhook(signatureScheme="both", secret=SECRET)
    path = f"/v1/webhooks/{webhook['id']}"
    answers = [
        await api.as_acme.get(path),
        await api.as_acme.get(f"{path}/public-key"),
        await api.as_acme.post(f"{path}/rotate-secret", {}),
        await api.as_acme.get("/v1/webhooks"),
        await api.operator.get(f"/v1/teams/{api.acme.id}/audit"),
    ]
    for answer in answers:
        assert answer.status == 200
        assert b"whsk_" not in answer.body
        assert b"sealed" not in answer.body
