"""Own schedules, jitter, Retry-After and 410 as rules (contract "Options of a webhook")."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.domain.lifecycle import Verdict, after_verdict, judge, recovers
from daemon.domain.model import DeliveryStatus, DisabledReason, Outcome, OutcomeKind
from daemon.domain.policy import Policy, policy_of, remaining_backoff_s, reschedules
from daemon.domain.retries import Jitter, NamedSchedule, jittered, retry_after_s
from daemon.domain.webhook_options import DEFAULT_OPTIONS, WebhookOptions
from tests.unit.test_lifecycle import FAILED, WEBHOOK

NOW = round(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)
DAY_S = 24 * 60 * 60


def answered(status: int, *retry_after: str) -> Outcome:
    headers = tuple(("Retry-After", value) for value in retry_after)
    return Outcome(OutcomeKind.HTTP_ERROR, 1, status, headers=headers, error="no")


def test_a_webhook_without_options_has_the_policy_of_the_settings() -> None:
    settings = Policy((3,), 7, "attempts")
    assert policy_of(settings, DEFAULT_OPTIONS) is settings
    assert policy_of(settings, WebhookOptions(timeout_s=1)) == settings
    assert policy_of(settings, WebhookOptions(retry_schedule=NamedSchedule.SHORT)) == settings


def test_the_standard_schedule_is_that_of_the_standard_webhooks_specification() -> None:
    policy = policy_of(Policy(), WebhookOptions(retry_schedule=NamedSchedule.STANDARD))
    since_start = [sum(policy.retry_delays_s[:number]) for number in range(1, 10)]
    hours = [(2, 35, 5), (7, 35, 5), (17, 35, 5), (31, 35, 5), (51, 35, 5), (75, 35, 5)]
    assert since_start == [5, 305, 2105, *(hour * 3600 + minute * 60 + second for hour, minute, second in hours)]


def test_an_own_schedule_decides_when_each_retry_is_made_and_when_the_delivery_has_failed() -> None:
    policy = policy_of(Policy(), WebhookOptions(retry_schedule=(60.0, 3600.0)))
    assert judge(policy, 1, FAILED, 0) == Verdict(DeliveryStatus.PENDING, 60, 0)
    assert judge(policy, 2, FAILED, 0) == Verdict(DeliveryStatus.PENDING, 3600, 0)
    assert judge(policy, 3, FAILED, 0) == Verdict(DeliveryStatus.FAILED, None, 1)
    without = policy_of(Policy(), WebhookOptions(retry_schedule=()))
    assert judge(without, 1, FAILED, 3) == Verdict(DeliveryStatus.FAILED, None, 4, disable=True)


@pytest.mark.parametrize(
    ("jitter", "chance", "delay_s"),
    [
        (None, 0.9, 100),
        (Jitter.FULL, 0, 0),
        (Jitter.FULL, 0.25, 25),
        (Jitter.FULL, 1, 100),
        (Jitter.PROPORTIONAL, 0, 80),
        (Jitter.PROPORTIONAL, 0.5, 100),
        (Jitter.PROPORTIONAL, 1, 120),
    ],
)
def test_chance_decides_how_long_a_delay_with_jitter_is(jitter: Jitter | None, chance: float, delay_s: float) -> None:
    policy = Policy((100,), jitter=jitter)
    assert judge(policy, 1, FAILED, 0, chance=chance).retry_in_s == pytest.approx(delay_s)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("86401", DAY_S),
        ("9" * 400, DAY_S),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60),
        ("Sunday, 01-Mar-26 12:01:00 GMT", 60),
        ("Sun Mar  1 12:01:00 2026", 60),
        ("Fri, 31 Dec 9999 23:59:59 GMT", DAY_S),
        ("Sat, 28 Feb 2026 12:00:00 GMT", 0),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 0),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("1e3", None),
        ("5, 10", None),
        ("soon", None),
        ("", None),
        ("\u0665", None),
        ("Sun, 31 Feb 2026 12:01:00 GMT", None),
        ("Sun, 01 Mar 2026 12:01:00 CET", None),
    ],
)
def test_retry_after_is_whole_seconds_or_a_date_and_a_day_at_most(value: str, seconds: float | None) -> None:
    assert retry_after_s((("retry-after", value),), NOW) == seconds


def test_two_fields_of_retry_after_say_nothing() -> None:
    assert retry_after_s((("Retry-After", "5"), ("retry-after", "5")), NOW) is None
    assert retry_after_s((), NOW) is None


@given(st.text(max_size=60))
def test_no_retry_after_raises_or_leads_out_of_a_day(value: str) -> None:
    seconds = retry_after_s((("Retry-After", value),), NOW)
    assert seconds is None or 0 <= seconds <= DAY_S


FOLLOWING = Policy((10, 20), follows_retry_after=True)


@pytest.mark.parametrize(
    ("policy", "outcome", "retry_in_s"),
    [
        (FOLLOWING, answered(503, "60"), 60),
        (FOLLOWING, answered(429, "60"), 60),
        (FOLLOWING, answered(429, "3"), 10),  # a shorter one does not shorten
        (FOLLOWING, answered(429, "100000"), DAY_S),
        (FOLLOWING, answered(429, "nonsense"), 10),
        (FOLLOWING, answered(500, "60"), 10),
        (Policy((10, 20)), answered(503, "60"), 10),
        (replace(FOLLOWING, jitter=Jitter.FULL), answered(503, "60"), 60),
    ],
)
def test_retry_after_of_429_and_503_holds_back_the_retry_if_it_is_followed(
    policy: Policy, outcome: Outcome, retry_in_s: float
) -> None:
    assert judge(policy, 1, outcome, 0, chance=0, ended_at=NOW).retry_in_s == retry_in_s


def test_retry_after_makes_no_further_attempt() -> None:
    assert judge(FOLLOWING, 3, answered(503, "60"), 0, ended_at=NOW).status is DeliveryStatus.FAILED


def test_410_disables_at_once_if_the_webhook_says_so() -> None:
    policy = Policy(disables_on_gone=True)
    gone = judge(policy, 1, answered(410), 0)
    assert gone == Verdict(DeliveryStatus.FAILED, None, 1, disable=True, disabled_reason=DisabledReason.GONE)
    disabled = after_verdict(replace(WEBHOOK, consecutive_failures=0), gone, 9)
    assert (disabled.active, disabled.disabled_reason, disabled.disabled_at) == (False, DisabledReason.GONE, 9)
    assert judge(policy, 1, answered(404), 0).status is DeliveryStatus.PENDING
    assert judge(Policy(), 1, answered(410), 0).status is DeliveryStatus.PENDING
    assert judge(policy, 1, answered(410), 0, disables=False).status is DeliveryStatus.PENDING


def test_one_that_was_gone_recovers_like_one_whose_deliveries_failed() -> None:
    from daemon.domain.lifecycle import WebhookEdit, edited

    gone = replace(WEBHOOK, active=False, disabled_reason=DisabledReason.GONE, disabled_at=5)
    enabled = edited(gone, WebhookEdit(active=True), 9)
    assert enabled.recovering_since == 5
    assert recovers(enabled, judge(Policy(), 1, Outcome(OutcomeKind.DELIVERED, 1, 200), 0))


@pytest.mark.parametrize(
    ("policy", "attempts_made", "asked_s", "left_s"),
    [
        (Policy((3600, 10)), 1, None, 600),
        (Policy((60,)), 1, None, 60),  # shortened meanwhile
        (Policy((60,)), 2, None, 0),  # none is left of it
        (Policy((60,)), 1, 300, 300),
        (Policy((60,)), 2, 300, 300),
        (Policy((60,)), 1, 9000, 600),
        (Policy((60,), jitter=Jitter.PROPORTIONAL), 1, None, 72),
    ],
)
def test_what_is_left_is_bounded_by_the_schedule_and_by_what_the_receiver_asked_for(
    policy: Policy, attempts_made: int, asked_s: float | None, left_s: float
) -> None:
    assert remaining_backoff_s(policy, attempts_made, NOW + 600_000, NOW, asked_s) == pytest.approx(left_s)


@given(st.sampled_from(Jitter), st.floats(0, 1), st.floats(1, DAY_S))
def test_what_jitter_makes_is_never_cut_by_a_restart(jitter: Jitter, chance: float, delay_s: float) -> None:
    wait_s = jittered(delay_s, jitter, chance)
    left_s = remaining_backoff_s(Policy((delay_s,), jitter=jitter), 1, NOW + round(wait_s * 1000), NOW)
    assert left_s == pytest.approx(wait_s, abs=0.001)


def test_only_options_about_retries_change_what_waits() -> None:
    assert not reschedules(DEFAULT_OPTIONS, WebhookOptions(timeout_s=3))
    assert reschedules(DEFAULT_OPTIONS, WebhookOptions(retry_schedule=(1.0,)))
    assert reschedules(WebhookOptions(retry_after=True), DEFAULT_OPTIONS)
