"""What the console's pages read: summaries, counts, what was missed, what waits (all bounded, all in order)."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count as counting
from typing import Any

import pytest
from msgspec import structs

from daemon.domain.clock import DAY_MS, HOUR_MS
from daemon.domain.lifecycle import Verdict
from daemon.domain.model import CancelReason, DeliveryStatus, DisabledReason, Event, Webhook, Work
from daemon.domain.submission import MatchedEvent
from daemon.store.commands import (
    AcceptEvents,
    CreateTeam,
    CreateWebhook,
    GrantCredits,
    MailDeferred,
    MailSent,
    Recover,
    Resend,
    SaveWebhook,
)
from daemon.store.reads import actor_reads
from daemon.store.reads import console_reads as console
from daemon.store.reads.console_reads import CreditDay, HourCount, Missed
from tests.store.filling import NOW, AnyDatabase, a_team, a_webhook, accept, found, recording, run
from tests.store.test_outcomes import disabling, final_failure
from tests.store.test_queries import all_pages, read

MINUTE_MS = 60_000
THIS_HOUR = NOW - NOW % HOUR_MS


def webhooks_named(database: AnyDatabase, *names: str) -> None:
    """Register webhooks of team 1 with these names, from number 2 on."""
    for number, name in enumerate(names, 2):
        run(database, CreateWebhook(replace(a_webhook(number), name=name)))


def disabled(webhook: Webhook, at: int = NOW) -> Webhook:
    return replace(webhook, active=False, disabled_reason=DisabledReason.MANUAL, disabled_at=at)


def names_of(database: AnyDatabase, **wanted: Any) -> list[str]:
    """Return the names on all pages of summaries."""

    def fetch(cursor: int | None) -> Any:
        return read(database, lambda c: console.webhook_summaries(c, "team_1", NOW, 2, cursor, look_at=3, **wanted))

    return [summary.webhook.name for summary in all_pages(fetch)[0]]


# -- webhooks


def test_summaries_are_of_the_teams_webhooks_that_are_not_deleted_newest_first(database: AnyDatabase) -> None:
    found(database)
    webhooks_named(database, "two", "three", "four", "five", "six", "seven", "eight")
    run(database, CreateWebhook(replace(a_webhook(99, team=2), name="another team's")))
    run(database, SaveWebhook(disabled(replace(a_webhook(4), name="four"))))
    run(database, SaveWebhook(replace(a_webhook(6), active=False, deleted_at=NOW)))
    assert names_of(database) == ["eight", "seven", "five", "four", "three", "two", "CRM"]
    assert names_of(database, active=True) == ["eight", "seven", "five", "three", "two", "CRM"]
    assert names_of(database, active=False) == ["four"]
    assert read(database, console.count_webhooks, "team_1", 100) == (6, 1)
    assert read(database, console.count_webhooks, "team_1", 5) == (5, 1)
    assert read(database, console.count_webhooks, "team_9", 100) == (0, 0)


@pytest.mark.parametrize(
    ("search", "found_names"),
    [
        ("sales", ["Sales 100%", "my sales"]),
        ("SALES", ["Sales 100%", "my sales"]),
        ("100%", ["Sales 100%"]),
        ("%", ["Sales 100%"]),
        ("_", ["a_b"]),
        ("/", ["plain", "Sales 100%", "a_b", "my sales", "CRM"]),
        ("3.EXAMPLE/hook", ["a_b"]),
        ("nothing", []),
        ("' OR 1 = 1 --", []),
    ],
)
def test_a_search_finds_what_is_literally_in_name_or_url_in_either_case(
    database: AnyDatabase, search: str, found_names: list[str]
) -> None:
    found(database)
    webhooks_named(database, "my sales", "a_b", "Sales 100%", "plain")
    assert names_of(database, search=search) == found_names
    assert names_of(database, search=search, active=True) == found_names
    assert names_of(database, search=search, active=False) == []


def test_a_summary_has_the_last_24_hours_and_the_newest_delivery(database: AnyDatabase) -> None:
    found(database)
    webhooks_named(database, "idle")
    works = accept(database, range(6))
    for work, ago in zip(works, (24, 23, 1, 0, 0), strict=False):
        run(database, structs.replace(recording(work, 1), now=NOW - ago * HOUR_MS))
    idle, busy = read(database, lambda c: console.webhook_summaries(c, "team_1", NOW, 10)).items
    assert (idle.hours, idle.last_delivery) == ((), None)
    assert busy.hours == tuple(HourCount(THIS_HOUR - ago * HOUR_MS, 2 if ago == 0 else 1, 0) for ago in (23, 1, 0))
    assert busy.last_delivery.seq == works[-1].seq


def test_deleted_webhooks_have_names_too(database: AnyDatabase) -> None:
    found(database)
    webhooks_named(database, "two")
    run(database, SaveWebhook(replace(a_webhook(2), name="two", active=False, deleted_at=NOW)))
    assert read(database, console.webhook_names, ["wh_1", "wh_2", "wh_9"]) == {"wh_1": "CRM", "wh_2": "two"}
    assert read(database, console.webhook_names, []) == {}


def test_the_failures_that_led_to_a_disabling_can_be_read_afterwards(database: AnyDatabase) -> None:
    found(database)
    run(database, disabling(database))
    failures = read(database, console.failures_of, "wh_1", 3)
    assert [failure.delivery_id for failure in failures] == ["dlv_1_wh_1", "dlv_2_wh_1", "dlv_3_wh_1"]
    assert failures[0].error == "the receiver answered 500"


def test_a_late_failure_with_a_lower_number_than_a_success_is_among_those_that_disabled(database: AnyDatabase) -> None:
    """With several nodes a delivery may be taken after one that was accepted after it."""
    found(database)
    late, before, success, *others = accept(database, range(6))
    for now, (work, status, failures) in enumerate(
        [(before, 500, 0), (success, 200, 1), *((work, 500, number) for number, work in enumerate([*others, late]))]
    ):
        last = structs.replace(work, attempts_made=3)
        for number in range(1, 4):
            run(database, recording(work, number, status=500, failures=failures))
        run(database, structs.replace(recording(last, 4, status=status, failures=failures), now=NOW + 10 + now))
    failures_read = read(database, console.failures_of, "wh_1", 4)
    assert [failure.delivery_id for failure in failures_read] == [work.delivery_id for work in (late, *others)]


# -- what a webhook missed


class History:
    """Random histories of a webhook: what was accepted with and without a delivery, and how deliveries ended."""

    def __init__(self, database: AnyDatabase, chance: random.Random) -> None:
        self.database, self.chance, self.webhook = database, chance, a_webhook(events=("a.b", "c.d"))
        self.now, self.numbers, self.open = NOW, counting(), list[Work]()
        run(database, CreateTeam(a_team()))
        run(database, CreateTeam(a_team(2)))
        run(database, CreateWebhook(self.webhook))
        run(database, CreateWebhook(a_webhook(2)))

    def happen(self) -> None:
        self.now += self.chance.choice([0, 1, MINUTE_MS, 10 * MINUTE_MS, -MINUTE_MS])
        steps: list[Callable[[], None]] = [self.accept] * 4 + [self.end] * 4 + [self.switch, self.resend]
        self.chance.choice(steps)()

    def accept(self) -> None:
        number, chance = next(self.numbers), self.chance
        team, event_type = chance.choice(["team_1"] * 4 + ["team_2"]), chance.choice(["a.b", "a.b", "c.d", "e.f"])
        event = Event(f"evt_{number}", team, event_type, self.now, b"{}", self.now, test=chance.random() < 0.1)
        mine = self.webhook.active and team == "team_1" and self.webhook.subscribes_to(event_type)
        pairs = [(f"dlv_{number}", "wh_1")] if mine else []
        pairs += [(f"dlv_{number}_2", "wh_2")] if team == "team_1" else []
        accepted = run(self.database, AcceptEvents((MatchedEvent(event, tuple(pairs)),), None, self.now))
        self.open += [work for webhook_id, work in accepted.work if webhook_id == "wh_1"]

    def end(self) -> None:
        if self.open:
            succeeds = self.chance.random() < 0.3
            command = recording(self.open.pop(0), 1, status=200 if succeeds else 500)
            run(self.database, command if succeeds else final_failure(command, 0))

    def switch(self) -> None:
        if self.webhook.active:
            self.webhook, self.open = disabled(self.webhook, self.now), []
            run(self.database, SaveWebhook(self.webhook, CancelReason.WEBHOOK_DISABLED, (), self.now))
        else:
            self.webhook = replace(self.webhook, active=True, disabled_reason=None, disabled_at=None)
            run(self.database, SaveWebhook(self.webhook))

    def resend(self) -> None:
        if self.webhook.active:
            old = f"dlv_{self.chance.randrange(next(self.numbers) + 1)}"
            run(self.database, Resend(old, f"{old}_again{next(self.numbers)}", self.now))

    def recovered(self, since: int) -> int:
        """Recover as `Replays` does, two events a page; return how many were queued."""
        reach = read(self.database, actor_reads.events_since, since)
        assert reach.end_seq is None, "so few events are all in the tail"
        queued, after_seq = 0, reach.first_seq - 1
        while after_seq is not None:
            ids = tuple(f"dlv_r{next(self.numbers)}" for _ in range(2))
            page = run(self.database, Recover(self.webhook, since, after_seq, 2, ids, self.now))
            queued, after_seq = queued + page.queued, page.next_after_seq
        return queued


@pytest.mark.parametrize("seed", range(25))
def test_the_missed_events_are_those_that_a_recovery_queues(database: AnyDatabase, seed: int) -> None:
    history = History(database, random.Random(seed))
    for _ in range(history.chance.choice([3, 10, 40])):
        history.happen()
    missed = read(database, console.missed_by, history.webhook)
    if missed is None:
        assert history.webhook.active
    else:
        assert missed == Missed(missed.since, history.recovered(missed.since), more=False)
        assert read(database, console.missed_by, history.webhook).count == 0


def test_an_active_webhook_whose_last_delivery_succeeded_has_missed_nothing(database: AnyDatabase) -> None:
    found(database)
    assert read(database, console.missed_by, a_webhook()) is None
    failed, succeeded = accept(database, [1, 2])
    run(database, final_failure(recording(failed, 1, status=500), 0))
    run(database, recording(succeeded, 1))
    assert read(database, console.missed_by, a_webhook()) is None


def test_what_a_disabled_webhook_missed_begins_with_its_first_failure(database: AnyDatabase) -> None:
    found(database)
    (fine,) = accept(database, [100])
    run(database, recording(fine, 1))
    run(database, disabling(database))
    webhook = read(database, lambda c: actor_reads.webhook_or_deleted(c, "wh_1"))
    accept(database, range(200, 203), "wh_other")
    assert webhook.disabled_at > NOW
    assert read(database, console.missed_by, webhook) == Missed(NOW, 7 + 3, more=False)


def test_no_more_events_are_looked_at_than_asked_for(database: AnyDatabase) -> None:
    found(database)
    run(database, disabling(database))
    webhook = disabled(a_webhook())
    assert read(database, console.missed_by, webhook, 7) == Missed(NOW, 7, more=False)
    assert read(database, console.missed_by, webhook, 6) == Missed(NOW, 6, more=True)


def test_a_webhook_disabled_before_any_event_has_missed_none_yet(database: AnyDatabase) -> None:
    found(database)
    webhook = disabled(a_webhook(), NOW + 7)
    assert read(database, console.missed_by, webhook) == Missed(NOW + 7, 0, more=False)


# -- credits, mail


def test_credits_are_summed_by_utc_day_without_grants(database: AnyDatabase) -> None:
    found(database)
    midnight = NOW - NOW % DAY_MS
    times: Iterator[int] = iter([midnight - 1, midnight, midnight + DAY_MS - 1, midnight + 3 * DAY_MS])
    for work, at in zip(accept(database, range(4)), times, strict=True):
        run(database, structs.replace(recording(work, 1), now=at))
    run(database, GrantCredits("crd_g", "team_1", 100, None, midnight))
    days = (CreditDay(midnight, 4), CreditDay(midnight + 3 * DAY_MS, 2))
    assert read(database, console.credit_days, "team_1", midnight + HOUR_MS) == days
    assert read(database, console.credit_days, "team_1", 0) == (CreditDay(midnight - DAY_MS, 2), *days)
    assert read(database, console.credit_days, "team_2", 0) == ()


def test_mails_that_wait_are_listed_oldest_first_with_their_last_error(database: AnyDatabase) -> None:
    found(database)
    for number in (2, 3, 4):
        run(database, CreateWebhook(a_webhook(number)))
    mail_ids = [f"mail_{number}" for number in (1, 2, 3, 4)]
    for number in (1, 2, 3, 4):
        (work,) = accept(database, [number], f"wh_{number}")
        verdict = Verdict(DeliveryStatus.FAILED, None, 4, disable=True)
        command = structs.replace(recording(work, 1, status=500, webhook=number), verdict=verdict, next_attempt_at=None)
        run(database, structs.replace(command, mail_id=mail_ids[number - 1]))
    run(database, MailSent(mail_ids[1], NOW))
    run(database, MailDeferred(mail_ids[0], ("ops@example.com",), 1, NOW + 10**6, "no route to host"))
    waiting = read(database, console.waiting_mails, 10)
    assert [(one.mail.id, one.last_error) for one in waiting] == [
        (mail_ids[0], "no route to host"),
        (mail_ids[2], None),
        (mail_ids[3], None),
    ]
    assert len(read(database, console.waiting_mails, 2)) == 2
