"""Operational webhooks are told of webhooks and credits by the ordinary pipeline (contract "Operational webhooks")."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import trio
from trio.testing import MockClock

from daemon.domain.model import Team, TeamEdit, Webhook
from daemon.domain.operational_types import OPERATIONAL_CATALOGUE
from daemon.domain.operations import OPERATIONAL_TYPES, BodyFormat
from daemon.domain.webhook_options import WebhookOptions
from daemon.store.commands import Command, OperationalEventSubmitted
from daemon.store.reads import actor_reads
from tests.actors.receivers import A, B
from tests.support.daemon import FakeReceiver, RunningDaemon, make_settings, running, statuses

pytestmark = pytest.mark.usefixtures("each_engine")

OPS, OPERATORS = "https://ops.example/team", "https://ops.example/operator"


def told(receiver: FakeReceiver, url: str) -> list[dict[str, Any]]:
    """The bodies that an operational webhook got, without those of retries."""
    return [orjson.loads(arrival.body) for arrival in receiver.at(url) if arrival.attempt == 1]


def types_told(receiver: FakeReceiver, url: str = OPS) -> list[str]:
    return [body["event"] for body in told(receiver, url)]


async def outbox(daemon: RunningDaemon) -> Sequence[object]:
    return await daemon.parts.store.reader.fetch(actor_reads.waiting_operational_events)


async def test_failing_and_disabled_are_told_once_each_and_in_order(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.operational_webhook(team, OPS)
    receiver.answers[A] = statuses(503)
    await daemon.submit(team, *range(6))
    await trio.sleep(600)
    failing, disabled = told(receiver, OPS)
    assert (failing["event"], disabled["event"]) == ("webhook.failing", "webhook.disabled")
    assert failing["teamId"] == team.id
    assert failing["data"]["webhook"] == {"id": webhook.id, "name": "CRM Sync", "host": "a.example"}
    assert (failing["data"]["consecutiveFailures"], failing["data"]["disabledAfter"]) == (2, 4)
    assert failing["data"]["lastFailure"]["error"] == "the receiver answered 503"
    assert failing["data"]["text"] == (
        "Webhook “CRM Sync” of Acme is failing: 2 deliveries in a row failed, the last one because "
        "the receiver answered 503. 2 more, and it is disabled."
    )
    assert disabled["data"]["consecutiveFailures"] == 4
    assert not await outbox(daemon)


async def test_operations_are_told_that_a_receiver_is_gone(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.operational_webhook(team, OPS)
    receiver.answers[A] = statuses(410)
    options = WebhookOptions(disable_on_gone=True)
    await daemon.change(webhook, options=options, changed_options=("disable_on_gone",))
    await daemon.submit(team, 1)
    await trio.sleep(10)
    [disabled] = told(receiver, OPS)
    assert (disabled["event"], disabled["data"]["reason"]) == ("webhook.disabled", "gone")
    assert disabled["data"]["text"] == (
        "Webhook “CRM Sync” of Acme was disabled, because its receiver answered 410 Gone."
    )


async def test_the_second_failure_in_a_row_is_told_while_the_next_delivery_waits(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.operational_webhook(team, OPS)
    receiver.answers[A] = statuses(*[500] * 8, 200)
    await daemon.submit(team, *range(2))
    await trio.sleep(13.9)
    assert types_told(receiver) == []
    await trio.sleep(0.2)
    assert types_told(receiver) == ["webhook.failing"]


async def test_a_webhook_that_works_again_is_told(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.operational_webhook(team, OPS, "webhook.recovered")
    receiver.answers[A] = statuses(*[500] * 16, 200)
    await daemon.submit(team, *range(4))
    await trio.sleep(60)
    await daemon.change(webhook, active=True)
    await daemon.submit(team, 4, 5)
    await trio.sleep(60)
    [recovered] = told(receiver, OPS)
    assert recovered["event"] == "webhook.recovered"
    assert recovered["data"]["text"] == "Webhook “CRM Sync” of Acme works again: a delivery has succeeded."


@pytest.mark.settings(credits={"enforce": True, "per_delivery": 2})
async def test_credits_are_told_at_once_and_telling_costs_and_needs_none(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    ops = await daemon.operational_webhook(team, OPS)
    await daemon.parts.teams.change(team.id, TeamEdit(low_credits=6))
    await daemon.grant(team, 9)
    for number in range(8):
        await daemon.submit(team, number)
        await trio.sleep(1)
    assert types_told(receiver) == ["credits.low", "credits.exhausted"]
    low, exhausted = (body["data"] for body in told(receiver, OPS))
    assert (low["balance"], low["lowCredits"], exhausted["balance"]) == (5, 6, 1)
    assert await daemon.statuses(ops) == ["succeeded", "succeeded"]
    assert await daemon.balance(team) == 1
    assert len(await daemon.ledger(team)) == 5
    assert len(daemon.mails) == 2


async def test_the_operator_is_told_of_all_teams_and_each_team_of_itself_alone(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    other = await daemon.parts.teams.create(None, "Bolt", ())
    await daemon.webhook(other, B)
    await daemon.operational_webhook(team, OPS, "webhook.disabled")
    await daemon.operational_webhook(None, OPERATORS, "webhook.disabled")
    receiver.answers |= {A: statuses(500), B: statuses(500)}
    await daemon.submit(team, *range(4))
    await daemon.submit(other, *range(4))
    await trio.sleep(60)
    assert [body["teamId"] for body in told(receiver, OPS)] == [team.id]
    assert {body["teamId"] for body in told(receiver, OPERATORS)} == {team.id, other.id}
    assert {body["data"]["teamName"] for body in told(receiver, OPERATORS)} == {"Acme", "Bolt"}


async def test_neither_kind_of_webhook_gets_what_is_for_the_other(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    ops, healthy = await daemon.operational_webhook(team, OPS), await daemon.webhook(team, B)
    receiver.answers[A] = statuses(500)
    await daemon.submit(team, *range(4))
    await trio.sleep(60)
    assert {delivery.event_type for delivery in await daemon.deliveries(ops)} <= OPERATIONAL_TYPES
    assert {delivery.event_type for delivery in await daemon.deliveries(healthy)} == {"linkedin.message.sent"}
    # Recovering looks at the events of the team, of either kind.
    assert await daemon.parts.replays.recover(healthy.id, 0) == 0
    assert await daemon.parts.replays.recover(ops.id, 0) == 0


async def test_an_operational_webhook_that_fails_tells_its_team_by_mail_alone(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    ops, healthy = await daemon.operational_webhook(team, OPS), "https://ops.example/healthy"
    await daemon.operational_webhook(team, healthy)
    receiver.answers[OPS] = statuses(500)
    for number in range(2):
        receiver.answers[A] = statuses(500)
        await daemon.submit(team, *range(number, number + 4))
        await trio.sleep(600)
        await daemon.change(webhook, active=True)
    current = await daemon.current(ops)
    assert not current.active
    assert types_told(receiver, healthy) == ["webhook.failing", "webhook.disabled"] * 2
    assert [mail.webhook_id for mail in daemon.mails] == [webhook.id, webhook.id, ops.id]


async def test_slack_gets_one_sentence_in_which_names_are_harmless(
    tmp_path: Path, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    settings = make_settings(tmp_path, public_url="https://hooks.example.com")
    async with running(tmp_path, receiver, settings=settings) as daemon:
        team = await daemon.parts.teams.create(None, "<!channel> & Söhne", ())
        webhook = await daemon.webhook(team, A)
        await daemon.operational_webhook(team, OPS, "webhook.disabled", body_format=BodyFormat.SLACK)
        receiver.answers[A] = statuses(500)
        await daemon.submit(team, *range(4))
        await trio.sleep(60)
        [arrival] = receiver.at(OPS)
        assert orjson.loads(arrival.body) == {
            "text": "Webhook “CRM Sync” of &lt;!channel&gt; &amp; Söhne was disabled, because its deliveries kept "
            f"failing, the last one because the receiver answered 500. https://hooks.example.com/console/webhooks/{webhook.id}"
        }


async def test_what_an_operational_webhook_gets_has_the_members_of_its_example(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.operational_webhook(team, OPS)
    await daemon.parts.teams.change(team.id, TeamEdit(low_credits=0))
    receiver.answers[A] = statuses(*[500] * 16, 200)
    await daemon.submit(team, *range(4))
    await trio.sleep(60)
    await daemon.change(webhook, active=True)
    await daemon.submit(team, 5)
    await trio.sleep(60)
    bodies = told(receiver, OPS)
    assert {body["event"] for body in bodies} == OPERATIONAL_TYPES - {"credits.exhausted"}
    for body in bodies:
        assert list(body["data"]) == list(OPERATIONAL_CATALOGUE[body["event"]].example)


async def test_no_url_and_no_secret_is_told(
    daemon: RunningDaemon, team: Team, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    url = "https://a.example/services/T0-very-secret?token=hidden"
    webhook = await daemon.webhook(team, url, secret="whsec_" + "A" * 43 + "=")  # no secret of anybody
    await daemon.operational_webhook(team, OPS)
    receiver.answers[url] = statuses(500)
    await daemon.submit(team, *range(4))
    await trio.sleep(60)
    assert (await daemon.current(webhook)).active is False
    bodies = b"".join(arrival.body for arrival in receiver.at(OPS))
    assert b"a.example" in bodies
    assert not any(word in bodies for word in (b"very-secret", b"hidden", b"whsec"))


@pytest.mark.parametrize("killed", ["before it is submitted", "before it has left the outbox"])
async def test_a_kill_in_between_neither_loses_nor_repeats_what_is_told(
    tmp_path: Path, receiver: FakeReceiver, autojump_clock: MockClock, killed: str
) -> None:
    async with running(tmp_path, receiver) as daemon:
        team = await daemon.team()
        await daemon.webhook(team, A)
        ops = await daemon.operational_webhook(team, OPS, "webhook.disabled")
        receiver.answers[A] = statuses(500)
        _hold(daemon, "read" if killed == "before it is submitted" else "forget")
        await daemon.submit(team, *range(4))
        await trio.sleep(60)
        assert len(await outbox_of(daemon)) == 1
    async with running(tmp_path, receiver) as daemon:
        await trio.sleep(60)
        assert await daemon.statuses(ops) == ["succeeded"]
        assert len(receiver.at(OPS)) == 1
        assert not await outbox(daemon)


async def outbox_of(daemon: RunningDaemon) -> Sequence[object]:
    """What is in the outbox of a daemon that cannot read it."""
    with daemon.database.reading.connect() as connection:
        return actor_reads.waiting_operational_events(connection)


def _hold(daemon: RunningDaemon, what: str) -> None:
    """Let this step of the submitter never end."""
    store = daemon.parts.store
    fetch, execute = store.reader.fetch, store.writer.execute

    async def fetch_all_else(read: Any, *arguments: Any) -> Any:
        if read is actor_reads.waiting_operational_events:
            await trio.sleep_forever()
        return await fetch(read, *arguments)

    async def execute_all_else(command: Command[Any], *arguments: Any) -> Any:
        if isinstance(command, OperationalEventSubmitted):
            await trio.sleep_forever()
        return await execute(command, *arguments)

    if what == "read":
        store.reader.fetch = fetch_all_else  # type: ignore[method-assign,assignment]  # to be killed at this very place
    else:
        store.writer.execute = execute_all_else  # type: ignore[method-assign,assignment]  # as above


async def test_a_full_router_only_delays_what_is_told(
    tmp_path: Path, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    """The router takes nothing for a while: the outbox keeps what is to be told."""
    settings = make_settings(tmp_path, api={"max_waiting_events": 1})
    async with running(tmp_path, receiver, settings=settings) as daemon:
        team = await daemon.team()
        webhook = await daemon.webhook(team, A)
        await daemon.operational_webhook(team, OPS, "webhook.disabled")
        receiver.answers[A] = statuses(500)
        for number in range(4):
            await daemon.submit(team, number)
        await trio.sleep(1)
        held = daemon.submission(team, 9, "")
        daemon.parts.router._intake.admit(held)  # it is never committed: nobody woke the router
        await trio.sleep(60)
        assert not (await daemon.current(webhook)).active
        assert types_told(receiver) == []
        assert daemon.log_lines("operational_events_deferred")
        daemon.parts.router._wake.set()
        await trio.sleep(120)
        assert types_told(receiver) == ["webhook.disabled"]


async def test_a_flood_of_failing_webhooks_is_told_once_each(
    daemon: RunningDaemon, team: Team, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    urls = [f"https://{number}.example/hook" for number in range(10)]
    for url in urls:
        receiver.answers[url] = statuses(500)
        await daemon.webhook(team, url)
    ops = await daemon.operational_webhook(None, OPERATORS)
    receiver.answers[OPERATORS] = _slowly
    await daemon.submit(team, *range(4))
    await trio.sleep(120)
    assert sorted(types_told(receiver, OPERATORS)) == ["webhook.disabled"] * 10 + ["webhook.failing"] * 10
    assert set(await daemon.statuses(ops)) == {"succeeded"}


async def _slowly(_request: httpx.Request) -> httpx.Response:
    await trio.sleep(2)
    return httpx.Response(200)
