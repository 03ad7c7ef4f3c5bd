"""Giving a webhook a new secret: for a while both count, and receivers can change over without losing a delivery."""

import hashlib
import hmac
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from standardwebhooks import Webhook as StandardWebhook
from standardwebhooks import WebhookVerificationError
from trio.testing import MockClock

from api.http.wire import format_time, parse_time
from daemon.crypto.signing import Secrets, generate_secret, signature_headers
from daemon.demo.receiver import ReceivedRequest
from daemon.demo.verification import SignatureState, verify
from daemon.domain.clock import wall_clock_ms
from daemon.domain.model import Team, Webhook
from tests.support.api_client import DATABASE_FILE, RunningApi, running_api
from tests.support.daemon import (
    EPOCH_MS,
    Arrival,
    FakeReceiver,
    RunningDaemon,
    VirtualWallClock,
    running,
    skip_ahead,
    statuses,
)

URL = "https://a.example/hook"
PLAIN = "a secret of another form"
HOUR = 3600
DAY = 24 * HOUR
OLD, NEW, NEWER = (generate_secret() for _ in range(3))


def signed_with(arrival: Arrival) -> list[str]:
    """Return the secrets that a delivery's `webhook-signature` is made with, in its order."""
    stamp = int(arrival.headers["webhook-timestamp"])
    makers = {
        dict(signature_headers(Secrets(secret), arrival.delivery_id, stamp, arrival.body))["webhook-signature"]: secret
        for secret in (OLD, NEW, NEWER)
    }
    return [makers[signature] for signature in arrival.headers.get("webhook-signature", "").split()]


def product_signature_is_of(arrival: Arrival, secret: str) -> bool:
    expected = hmac.new(secret.encode(), arrival.body, hashlib.sha256).hexdigest()
    return bool(arrival.headers["x-kakiyo-signature"] == expected)


async def next_delivery(daemon: RunningDaemon, team: Team) -> Arrival:
    """Have an event delivered; return the POST."""
    before = len(daemon.receiver.arrivals)
    await daemon.submit(team, before)
    await trio.sleep(1)
    [arrival] = daemon.receiver.arrivals[before:]
    return arrival


async def rotate(
    daemon: RunningDaemon, webhook: Webhook, secret: str, overlap_s: int = DAY, *, switch_now: bool = False
) -> Webhook:
    found = await daemon.parts.webhooks.rotate_secret(webhook.id, secret, overlap_s, switch_now=switch_now)
    assert found is not None
    return found


# what deliveries are signed with


async def test_during_the_overlap_both_secrets_sign_and_afterwards_the_new_one_alone(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, URL, secret=OLD)
        assert signed_with(await next_delivery(daemon, team)) == [OLD]
        await rotate(daemon, webhook, NEW)
        during = await next_delivery(daemon, team)
        await skip_ahead(DAY // 2 - 10)
        before_half = await next_delivery(daemon, team)
        await trio.sleep(10)
        after_half = await next_delivery(daemon, team)
        await skip_ahead(DAY // 2)
        after = await next_delivery(daemon, team)
    arrivals = (during, before_half, after_half, after)
    assert [signed_with(arrival) for arrival in arrivals] == [[NEW, OLD], [NEW, OLD], [NEW, OLD], [NEW]]
    assert [product_signature_is_of(arrival, NEW) for arrival in arrivals] == [False, False, True, True]
    assert [product_signature_is_of(arrival, OLD) for arrival in arrivals] == [True, True, False, False]


async def test_a_rotation_may_switch_the_products_signature_at_once_or_later(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, URL, secret=OLD)
        await rotate(daemon, webhook, NEW, switch_now=True)
        at_once = await next_delivery(daemon, team)
        await rotate(daemon, webhook, NEWER)
        not_yet = await next_delivery(daemon, team)
        await daemon.parts.webhooks.switch_signature(webhook.id)
        later = await next_delivery(daemon, team)
    assert product_signature_is_of(at_once, NEW)
    assert product_signature_is_of(not_yet, NEW)
    assert product_signature_is_of(later, NEWER)
    assert [signed_with(each) for each in (at_once, not_yet, later)] == [[NEW, OLD], [NEWER, NEW], [NEWER, NEW]]


async def test_a_published_library_verifies_an_overlapping_delivery_with_either_secret(tmp_path: Path) -> None:
    async with running(tmp_path, clock=_RealTime()) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, URL, secret=OLD)
        await rotate(daemon, webhook, NEW)
        arrived = trio.Event()

        async def receive(_request: httpx.Request) -> httpx.Response:
            arrived.set()
            return httpx.Response(200)

        daemon.receiver.answers[URL] = receive
        await daemon.submit(team, 1)
        with trio.fail_after(10):
            await arrived.wait()
        [arrival] = daemon.receiver.arrivals
    for secret in (OLD, NEW):
        StandardWebhook(secret).verify(arrival.body, dict(arrival.headers))
    with pytest.raises(WebhookVerificationError):
        StandardWebhook(NEWER).verify(arrival.body, dict(arrival.headers))


class _RealTime(VirtualWallClock):
    def __call__(self) -> int:
        return wall_clock_ms()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [(OLD, PLAIN, [OLD]), (PLAIN, NEW, [NEW]), (PLAIN, "another", [])],
    ids=["to a plain one", "from a plain one", "between plain ones"],
)
async def test_only_secrets_of_the_standard_form_make_the_standard_signature(
    tmp_path: Path, autojump_clock: MockClock, old: str, new: str, expected: list[str]
) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        await rotate(daemon, await daemon.webhook(team, URL, secret=old), new)
        arrival = await next_delivery(daemon, team)
    assert signed_with(arrival) == expected
    assert product_signature_is_of(arrival, old)


async def test_each_attempt_is_signed_with_the_secrets_of_its_moment(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path, FakeReceiver({URL: statuses(500)})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, URL, secret=OLD)
        await daemon.submit(team, 1)
        await trio.sleep(0.5)
        await rotate(daemon, webhook, NEW, overlap_s=4)
        await trio.sleep(30)
        assert [signed_with(arrival) for arrival in daemon.receiver.arrivals] == [[OLD], [NEW, OLD], [NEW, OLD], [NEW]]


async def test_a_rotation_does_not_wait_for_an_attempt_in_flight(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def slow(_request: httpx.Request) -> httpx.Response:
        await trio.sleep(5)
        return httpx.Response(200)

    async with running(tmp_path, FakeReceiver({URL: slow})) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, URL, secret=OLD)
        await daemon.submit(team, 1, 2)
        await trio.sleep(1)
        started = trio.current_time()
        await rotate(daemon, webhook, NEW, overlap_s=0)
        assert trio.current_time() == started
        await trio.sleep(30)
        assert [signed_with(arrival) for arrival in daemon.receiver.arrivals] == [[OLD], [NEW]]
        assert await daemon.statuses(webhook) == ["succeeded"] * 2


async def test_the_overlap_goes_by_the_wall_clock(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        await rotate(daemon, await daemon.webhook(team, URL, secret=OLD), NEW)
        daemon.clock.offset_ms = DAY * 1000
        assert signed_with(await next_delivery(daemon, team)) == [NEW]


async def test_the_overlap_goes_on_after_a_crash(tmp_path: Path, autojump_clock: MockClock) -> None:
    receiver, clock = FakeReceiver(), VirtualWallClock()
    async with running(tmp_path, receiver, clock) as daemon:
        team = await daemon.team()
        await rotate(daemon, await daemon.webhook(team, URL, secret=OLD), NEW)
    async with running(tmp_path, receiver, clock) as daemon:
        assert signed_with(await next_delivery(daemon, team)) == [NEW, OLD]
        await skip_ahead(DAY)
        assert signed_with(await next_delivery(daemon, team)) == [NEW]


# what is forgotten


@pytest.mark.fault(
    "a secret leaked and is rotated twice",
    "only the latest secret before the new one signs on: the leaked one does not count any more",
)
async def test_only_the_latest_secret_before_is_kept(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, URL, secret=OLD)
        await rotate(daemon, webhook, NEW)
        await rotate(daemon, webhook, NEWER)
        assert signed_with(await next_delivery(daemon, team)) == [NEWER, NEW]


Forget = Callable[[RunningDaemon, Webhook], Awaitable[object]]


async def replace_secret(daemon: RunningDaemon, webhook: Webhook) -> None:
    await daemon.change(webhook, secret=NEWER)


async def remove_secret(daemon: RunningDaemon, webhook: Webhook) -> None:
    await daemon.change(webhook, remove_secret=True)


async def delete(daemon: RunningDaemon, webhook: Webhook) -> None:
    await daemon.parts.webhooks.delete(webhook.id)


async def rotate_without_overlap(daemon: RunningDaemon, webhook: Webhook) -> None:
    await rotate(daemon, webhook, NEWER, overlap_s=0)


@pytest.mark.parametrize("forget", [replace_secret, remove_secret, delete, rotate_without_overlap])
async def test_the_secret_before_is_forgotten_with_the_one_that_replaced_it(
    tmp_path: Path, autojump_clock: MockClock, forget: Forget
) -> None:
    async with running(tmp_path) as daemon:
        webhook = await daemon.webhook(await daemon.team(), URL, secret=OLD)
        await rotate(daemon, webhook, NEW)
        assert previous_in(tmp_path / "test.db") != (None, None)
        await forget(daemon, webhook)
        assert previous_in(tmp_path / "test.db") == (None, None)


async def test_an_edit_keeps_an_overlap_that_lasts_and_forgets_one_that_is_over(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as daemon:
        webhook = await daemon.webhook(await daemon.team(), URL, secret=OLD)
        await rotate(daemon, webhook, NEW)
        await daemon.change(webhook, name="renamed")
        assert previous_in(tmp_path / "test.db") != (None, None)
        await skip_ahead(DAY)
        await daemon.change(webhook, name="again")
        assert previous_in(tmp_path / "test.db") == (None, None)


def previous_in(path: Path) -> tuple[Any, ...]:
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT previous_secret, previous_secret_expires_at FROM webhooks").fetchone()
    assert isinstance(row, tuple)
    return row


# the route


def overlap_of(moment: str, hours: int) -> dict[str, str]:
    return {"previousSecretExpiresAt": later(moment, hours), "signatureSwitchesAt": later(moment, hours // 2)}


def later(moment: str, hours: int) -> str:
    return format_time(parse_time(moment) + hours * HOUR * 1000)


@pytest.fixture
async def api(tmp_path: Path, autojump_clock: MockClock) -> Any:
    async with running_api(tmp_path) as api:
        yield api


async def test_the_answer_is_the_webhook_with_its_new_secret_which_is_shown_nowhere_else(api: RunningApi) -> None:
    webhook = await api.webhook(secret=OLD)
    path = f"/v1/webhooks/{webhook['id']}"
    answer = await api.as_acme.post(f"{path}/rotate-secret", {"secret": NEW, "overlapHours": 2})
    shown = (await api.as_acme.get(path)).value
    assert answer.status == 200
    overlap = overlap_of(shown["updatedAt"], hours=2)
    assert answer.value == {**shown, "secret": NEW, **overlap, "previousPublicKeyExpiresAt": None}
    assert not [text for text in (OLD, NEW) if text.encode() in (await api.as_acme.get("/v1/webhooks")).body]


async def test_without_a_secret_one_is_generated_and_the_overlap_is_a_day(api: RunningApi) -> None:
    webhook = await api.webhook(secret=OLD)
    answer = await api.as_acme.post(f"/v1/webhooks/{webhook['id']}/rotate-secret", {})
    assert answer.value["secret"].startswith("whsec_")
    assert answer.value["secret"] != OLD
    assert answer.value["previousSecretExpiresAt"] == later(answer.value["updatedAt"], hours=24)


@pytest.mark.parametrize(
    ("fields", "overlap"), [({}, 24), ({"secret": OLD}, 0)], ids=["no secret before", "no overlap"]
)
async def test_nothing_expires_when_nothing_overlaps(api: RunningApi, fields: dict[str, str], overlap: int) -> None:
    webhook = await api.webhook(**fields)
    answer = await api.as_acme.post(f"/v1/webhooks/{webhook['id']}/rotate-secret", {"overlapHours": overlap})
    assert answer.value["previousSecretExpiresAt"] is None
    assert answer.value["hasSecret"] is True


async def test_the_switch_can_be_said_with_the_rotation_or_later(api: RunningApi, autojump_clock: MockClock) -> None:
    path = f"/v1/webhooks/{(await api.webhook(secret=OLD))['id']}/rotate-secret"
    at_once = (await api.as_acme.post(path, {"secret": NEW, "switchNow": True})).value
    assert at_once["signatureSwitchesAt"] == at_once["updatedAt"]
    waiting = (await api.as_acme.post(path, {"secret": NEWER})).value
    assert waiting["signatureSwitchesAt"] == later(waiting["updatedAt"], hours=12)
    await trio.sleep(HOUR)
    answer = await api.as_acme.post(path, {"switchNow": True})
    assert answer.status == 200
    assert "secret" not in answer.value
    assert answer.value["signatureSwitchesAt"] == answer.value["updatedAt"] == later(waiting["updatedAt"], hours=1)
    assert answer.value["previousSecretExpiresAt"] == waiting["previousSecretExpiresAt"]
    assert (await api.as_acme.post(path, {"switchNow": True})).value == answer.value


WRONG_ROTATIONS: tuple[tuple[Any, str], ...] = (
    ({"switchNow": "yes"}, "$.switchNow"),
    ({"overlapHours": -1}, "$.overlapHours"),
    ({"overlapHours": 721}, "$.overlapHours"),
    ({"overlapHours": "24"}, "$.overlapHours"),
    ({"overlapHours": 1.5}, "$.overlapHours"),
    ({"secret": "whsec_short"}, "$.secret"),
    ({"secret": ""}, "$.secret"),
    ({"secret": None}, "$.secret"),
    ({"hours": 1}, "$.hours"),
)


async def test_a_wrong_rotation_is_refused_and_changes_nothing(api: RunningApi) -> None:
    webhook = await api.webhook(secret=OLD)
    for body, path in WRONG_ROTATIONS:
        answer = await api.as_acme.post(f"/v1/webhooks/{webhook['id']}/rotate-secret", body)
        assert (answer.status, answer.paths) == (422, [path]), body
        shown = (await api.as_acme.get(f"/v1/webhooks/{webhook['id']}")).value
        assert shown["updatedAt"] == webhook["updatedAt"], body


@pytest.mark.fault("a team rotates the secret of another team's webhook", "404, as for one that does not exist")
async def test_another_teams_webhook_does_not_exist(api: RunningApi, tmp_path: Path) -> None:
    webhook = await api.webhook(secret=OLD)
    _, stranger = await api.another_team()
    before = previous_in(tmp_path / DATABASE_FILE)
    answer = await stranger.post(f"/v1/webhooks/{webhook['id']}/rotate-secret", {"secret": NEW})
    assert (answer.status, answer.code) == (404, "not_found")
    assert previous_in(tmp_path / DATABASE_FILE) == before == (None, None)


async def test_a_deleted_webhook_has_no_secret_to_rotate(api: RunningApi) -> None:
    path = f"/v1/webhooks/{(await api.webhook(secret=OLD))['id']}"
    await api.as_acme.delete(path)
    assert (await api.as_acme.post(f"{path}/rotate-secret", {})).status == 404


# what receivers make of it


@pytest.mark.parametrize(
    ("receivers", "expected"),
    [(NEW, SignatureState.VALID), (OLD, SignatureState.VALID), (NEWER, SignatureState.INVALID)],
    ids=["the new secret", "the one before", "another"],
)
async def test_the_local_receiver_takes_an_overlapping_delivery_for_genuine_with_either_secret(
    tmp_path: Path, autojump_clock: MockClock, receivers: str, expected: SignatureState
) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        await rotate(daemon, await daemon.webhook(team, URL, secret=OLD), NEW)
        arrival = await next_delivery(daemon, team)
    headers = tuple((name.lower(), value) for name, value in arrival.headers.items())
    assert verify(ReceivedRequest(EPOCH_MS, "POST", "/", headers, arrival.body), receivers).signature is expected
