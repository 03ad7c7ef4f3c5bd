"""Filters of webhooks: asked once when an event is accepted, and when it is queued anew (contract "Filters")."""

from dataclasses import replace
from typing import Any

import pytest
import trio
from msgspec import structs
from trio.testing import MockClock

from daemon.delivery.event_filters import EventFilters
from daemon.delivery.fan_out import FanOuts
from daemon.delivery.matcher import Matcher
from daemon.delivery.owners import OnlyOwner
from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.delivery.timers import Timers
from daemon.domain.model import Team, Webhook
from daemon.domain.submission import Submission
from daemon.domain.webhook_options import WebhookOptions
from daemon.filters import language
from tests.actors.fan_outs import EVENTS, numbers_at
from tests.actors.receivers import A, B
from tests.support.daemon import FakeReceiver, RunningDaemon, statuses

pytestmark = pytest.mark.usefixtures("each_engine")

ODD = "contains(`[1, 3, 5, 7, 9, 11]`, data.n)"
FAILING = "starts_with(data.n, 'x')"


async def filter_by(daemon: RunningDaemon, webhook: Webhook, text: str | None) -> None:
    await daemon.change(webhook, options=WebhookOptions(filter=text), changed_options=("filter",))


def numbers(receiver: FakeReceiver, url: str) -> list[Any]:
    return [arrival.number for arrival in receiver.at(url)]


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that were read for filters."""
    read, document_of = list[bytes](), language.document_of

    def note(body: bytes) -> Any:
        read.append(body)
        return document_of(body)

    monkeypatch.setattr("daemon.delivery.event_filters.document_of", note)
    return read


async def test_a_webhook_gets_the_events_that_its_filter_takes_and_others_all(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.webhook(team, B)
    await filter_by(daemon, webhook, ODD)
    await daemon.submit(team, 1, 2, 3)
    await daemon.submit(team, 4, 5)
    await trio.sleep(5)
    assert (numbers(receiver, A), numbers(receiver, B)) == ([1, 3, 5], [1, 2, 3, 4, 5])
    assert [line["deliveries"] for line in daemon.log_lines("event_accepted")] == [2, 1, 2, 1, 2]


async def test_an_event_is_read_once_and_only_for_filters(
    daemon: RunningDaemon, team: Team, webhook: Webhook, documents: list[bytes], autojump_clock: MockClock
) -> None:
    others = [await daemon.webhook(team, f"{B}/{number}") for number in range(3)]
    await daemon.webhook(team, B, "linkedin.account.connected")
    await daemon.submit(team, 1)
    assert documents == []
    for one in (webhook, *others):
        await filter_by(daemon, one, ODD)
    await daemon.submit(team, 2)
    assert len(documents) == 1


async def test_a_changed_filter_counts_for_events_accepted_from_then_on(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.change(webhook, paused=True)
    await daemon.submit(team, 1, 2)
    await filter_by(daemon, webhook, ODD)
    await daemon.submit(team, 3, 4)
    await filter_by(daemon, webhook, None)
    await daemon.submit(team, 5, 6)
    await daemon.change(webhook, paused=False)
    await trio.sleep(5)
    assert numbers(receiver, A) == [1, 2, 3, 5, 6]


async def test_a_filter_that_changed_while_an_event_waited_is_asked_anew(
    daemon: RunningDaemon, team: Team, webhook: Webhook, autojump_clock: MockClock
) -> None:
    await filter_by(daemon, webhook, ODD)
    index, parts = SubscriptionIndex(), daemon.parts
    owners = OnlyOwner(parts.fleet, Timers(daemon.clock))
    fan_outs = FanOuts(store=parts.store, telemetry=parts.telemetry, owners=owners, max_waiting=1)
    filters = EventFilters(index=index, telemetry=parts.telemetry, now_ms=daemon.clock)
    matcher = Matcher(clock=parts.clock, index=index, fan_outs=fan_outs)
    submission, verdicts = daemon.submission(team, 2, ""), dict[tuple[int, str], tuple[str, bool]]()
    counts = []
    for text in (ODD, "data.n == `2`", ODD, None):
        index.put(replace(webhook, options=WebhookOptions(filter=text)))
        assert filters.are_unknown(submission, verdicts) is (text is not None)
        await filters.judge(submission, verdicts)
        assert not filters.are_unknown(submission, verdicts)
        [command] = matcher.match_all([(submission, verdicts)])
        counts.append(command.events[0].delivery_count)
    assert counts == [0, 1, 0, 1]


async def test_a_filter_that_fails_takes_nothing_is_told_once_a_minute_and_counted(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await filter_by(daemon, webhook, FAILING)
    for _ in range(3):
        await daemon.submit(team, 1)
    error = "starts_with() got a number where it takes string"
    failures = daemon.parts.router.filters.failures_of(webhook.id, FAILING)
    assert failures is not None
    assert (failures.count, failures.last_error) == (3, error)
    await trio.sleep(61)
    await daemon.submit(team, 1)
    lines = daemon.log_lines("filter_failed")
    assert [(line["webhookId"], line["error"], line["count"]) for line in lines] == [
        (webhook.id, error, 1),
        (webhook.id, error, 3),
    ]
    assert receiver.at(A) == []
    await filter_by(daemon, webhook, ODD)
    assert daemon.parts.router.filters.failures_of(webhook.id, ODD) is None


async def test_all_filters_of_an_event_together_have_a_budget_too(
    daemon: RunningDaemon, team: Team, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.delivery.event_filters.MOST_STEPS_OF_EVENT", 12)
    webhooks = [await daemon.webhook(team, f"{B}/{number}") for number in range(6)]
    for number, webhook in enumerate(webhooks):
        await filter_by(daemon, webhook, f"data.n == `1` || data.n == `-{number}`")
    await daemon.submit(team, 1)
    await trio.sleep(1)
    [line] = daemon.log_lines("event_accepted")
    assert line["deliveries"] == 2
    assert {line["webhookId"] for line in daemon.log_lines("filter_failed")} == {one.id for one in webhooks[2:]}


@pytest.mark.usefixtures("small_pieces")
async def test_a_large_submission_is_filtered_event_by_event(
    daemon: RunningDaemon, team: Team, webhooks: list[Webhook], autojump_clock: MockClock
) -> None:
    await filter_by(daemon, webhooks[0], ODD)
    await filter_by(daemon, webhooks[1], "data.n == `2`")
    await daemon.submit(team, *range(EVENTS))
    await trio.sleep(60)
    assert numbers_at(daemon, 0) == [number for number in range(EVENTS) if number % 2]
    assert numbers_at(daemon, 1) == [2]
    assert numbers_at(daemon, 2) == list(range(EVENTS))
    assert len(daemon.log_lines("deliveries_created")) == 1


async def test_what_is_recovered_has_to_pass_the_filter_as_it_is_then(
    daemon: RunningDaemon,
    team: Team,
    webhook: Webhook,
    receiver: FakeReceiver,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("daemon.management.replays._RECOVER_PAGE", 3)
    receiver.answers[A] = statuses(500)
    await daemon.change(webhook, active=False)
    await daemon.submit(team, *range(8))
    await daemon.submit(team, 9, size=2_000_000)
    receiver.answers[A] = statuses(200)
    await daemon.change(webhook, active=True)
    await filter_by(daemon, webhook, ODD)
    assert await daemon.parts.replays.recover(webhook.id, 0) == 5
    assert await daemon.parts.replays.recover(webhook.id, 0) == 0
    await trio.sleep(5)
    assert numbers(receiver, A) == [1, 3, 5, 7, 9]


async def test_what_is_resent_is_not_asked_about(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await daemon.submit(team, 2)
    await trio.sleep(1)
    await filter_by(daemon, webhook, ODD)
    [delivery] = await daemon.deliveries(webhook)
    assert await daemon.parts.replays.resend(delivery.id) is not None
    await trio.sleep(1)
    assert numbers(receiver, A) == [2, 2]


async def test_a_test_for_one_webhook_is_not_asked_about(
    daemon: RunningDaemon, team: Team, webhook: Webhook, receiver: FakeReceiver, autojump_clock: MockClock
) -> None:
    await filter_by(daemon, webhook, ODD)
    [event] = daemon.submission(team, 2, "").events
    for only, is_test in ((webhook.id, True), (None, True), (None, False)):
        submitted = structs.replace(event, only_webhook_id=only, test=is_test)
        [receipt] = await daemon.parts.router.submit(Submission((submitted,)))
        assert receipt.deliveries == (0 if only is None else 1)
