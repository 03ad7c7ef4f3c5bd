"""The rules, one by one, and what holds for every sequence of outcomes (contract "A delivery", "Auto-disable")."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.domain.lifecycle import (
    Verdict,
    WebhookEdit,
    after_verdict,
    cancel_reason_of,
    deleted,
    edited,
    failures_disable,
    is_plain_success,
    judge,
    operational_news,
    recovers,
)
from daemon.domain.model import CancelReason, DeliveryStatus, DisabledReason, Outcome, OutcomeKind, Webhook
from daemon.domain.operations import About, OperationalType
from daemon.domain.policy import Policy, remaining_backoff_s

POLICY = Policy()
DELIVERED = Outcome(OutcomeKind.DELIVERED, 1, 200)
FAILED = Outcome(OutcomeKind.TIMEOUT, 10_000, error="no response")
WEBHOOK = Webhook(
    id="wh_1",
    team_id="team_1",
    name="CRM",
    url="https://a.example",
    secret="s",
    events=("*",),
    consecutive_failures=3,
    created_at=1,
    updated_at=1,
)
DISABLED = replace(WEBHOOK, active=False, disabled_reason=DisabledReason.CONSECUTIVE_FAILURES, disabled_at=5)


@pytest.mark.parametrize(("number", "retry_in_s"), [(1, 1), (2, 2), (3, 4)])
def test_a_failed_attempt_is_retried_after_1_2_and_4_seconds(number: int, retry_in_s: float) -> None:
    assert judge(POLICY, number, FAILED, 0) == Verdict(DeliveryStatus.PENDING, retry_in_s, 0)


def test_the_fourth_failed_attempt_ends_the_delivery_and_counts() -> None:
    assert judge(POLICY, 4, FAILED, 2) == Verdict(DeliveryStatus.FAILED, None, 3)


def test_the_fourth_failed_delivery_disables() -> None:
    assert judge(POLICY, 4, FAILED, 3) == Verdict(DeliveryStatus.FAILED, None, 4, disable=True)


@pytest.mark.parametrize("number", [1, 4])
def test_a_success_ends_the_delivery_and_resets_the_counter(number: int) -> None:
    assert judge(POLICY, number, DELIVERED, 3) == Verdict(DeliveryStatus.SUCCEEDED, None, 0)


@pytest.mark.parametrize("reason", CancelReason)
@pytest.mark.parametrize("number", [1, 4])
def test_a_failure_of_a_withdrawn_webhook_is_cancelled_and_not_counted(number: int, reason: CancelReason) -> None:
    assert judge(POLICY, number, FAILED, 3, reason) == Verdict(DeliveryStatus.CANCELLED, None, 3, cancel_reason=reason)


@pytest.mark.parametrize("reason", CancelReason)
def test_a_success_of_a_withdrawn_webhook_is_a_success(reason: CancelReason) -> None:
    assert judge(POLICY, 2, DELIVERED, 3, reason).status is DeliveryStatus.SUCCEEDED


def test_with_count_attempts_every_failed_attempt_counts_and_the_fourth_ends_and_disables() -> None:
    policy = Policy(count="attempts")
    assert judge(policy, 1, FAILED, 0) == Verdict(DeliveryStatus.PENDING, 1, 1)
    assert judge(policy, 1, FAILED, 3) == Verdict(DeliveryStatus.FAILED, None, 4, disable=True)


@given(
    st.lists(st.booleans(), max_size=60),
    st.lists(st.sampled_from([0.5, 1, 2, 4]), max_size=5).map(tuple),
    st.integers(1, 6),
)
def test_whatever_happens_a_delivery_ends_within_its_attempts_and_a_full_counter_disables(
    outcomes: list[bool], delays: tuple[float, ...], disable_after: int
) -> None:
    policy, counter, number, failed_in_a_row = Policy(delays, disable_after), 0, 0, 0
    for delivered in outcomes:
        number += 1
        verdict = judge(policy, number, DELIVERED if delivered else FAILED, counter)
        counter = verdict.consecutive_failures
        failed_in_a_row = 0 if delivered else failed_in_a_row + (verdict.status is DeliveryStatus.FAILED)
        assert number <= len(delays) + 1
        assert counter == failed_in_a_row
        assert (verdict.retry_in_s is None) == (verdict.status is not DeliveryStatus.PENDING)
        assert verdict.disable == (counter >= disable_after)
        if verdict.disable:
            return
        if verdict.status is not DeliveryStatus.PENDING:
            number = 0


@pytest.mark.parametrize(
    ("attempts_made", "next_attempt_at", "remaining"),
    [
        (0, None, 0),
        (1, None, 0),
        (1, 10_000, 0),
        (1, 10_400, 0.4),
        (2, 11_500, 1.5),
        (2, 9_000, 0),
        (3, 10_000 + 86_400_000, 4),  # the wall clock was set back by a day
        (4, 10_400, 0),
    ],
)
def test_a_back_off_resumes_with_what_is_left_of_it(
    attempts_made: int, next_attempt_at: int | None, remaining: float
) -> None:
    assert remaining_backoff_s(POLICY, attempts_made, next_attempt_at, 10_000) == remaining


@given(st.integers(-5, 10), st.none() | st.integers(-(10**15), 10**15), st.integers(-(10**15), 10**15))
def test_a_remaining_back_off_is_never_negative_nor_longer_than_the_longest_delay(
    attempts_made: int, next_attempt_at: int | None, now: int
) -> None:
    assert 0 <= remaining_backoff_s(POLICY, attempts_made, next_attempt_at, now) <= 4


def test_an_empty_edit_changes_nothing_but_the_time() -> None:
    assert edited(WEBHOOK, WebhookEdit(), 9) == replace(WEBHOOK, updated_at=9)


def test_an_edit_changes_what_it_names() -> None:
    edit = WebhookEdit(name="n", url="https://b.example", secret="t", events=("a.b",))
    expected = replace(WEBHOOK, name="n", url="https://b.example", secret="t", events=("a.b",), updated_at=9)
    assert edited(WEBHOOK, edit, 9) == expected


def test_a_secret_can_be_removed() -> None:
    assert edited(WEBHOOK, WebhookEdit(remove_secret=True), 9).secret is None


def test_enabling_resets_counter_reason_and_time_also_of_an_active_webhook() -> None:
    for webhook in (DISABLED, WEBHOOK):
        enabled = edited(webhook, WebhookEdit(active=True), 9)
        recovering_since = webhook.disabled_at
        assert enabled == replace(WEBHOOK, consecutive_failures=0, updated_at=9, recovering_since=recovering_since)


def test_only_the_first_success_of_a_webhook_that_is_enabled_again_recovers_it() -> None:
    success = Verdict(DeliveryStatus.SUCCEEDED, None, 0)
    enabled = edited(DISABLED, WebhookEdit(active=True), 9)
    assert recovers(enabled, success)
    assert not is_plain_success(enabled, success)
    assert not recovers(enabled, Verdict(DeliveryStatus.FAILED, None, 1))
    assert not recovers(replace(enabled, active=False), success)
    assert not recovers(after_verdict(enabled, success, 10), success)


def test_disabling_by_hand_says_so_and_keeps_the_counter() -> None:
    disabled = edited(WEBHOOK, WebhookEdit(active=False), 9)
    assert (disabled.active, disabled.disabled_reason, disabled.disabled_at) == (False, DisabledReason.MANUAL, 9)
    assert disabled.consecutive_failures == WEBHOOK.consecutive_failures


def test_disabling_what_is_disabled_keeps_its_first_reason_and_time() -> None:
    assert edited(DISABLED, WebhookEdit(active=False), 9) == replace(DISABLED, updated_at=9)


def test_a_deleted_webhook_is_inactive_and_has_no_secret() -> None:
    gone = deleted(WEBHOOK, 9)
    assert (gone.active, gone.secret, gone.deleted_at) == (False, None, 9)


def test_pending_deliveries_are_cancelled_for_the_reason_that_holds() -> None:
    assert cancel_reason_of(WEBHOOK) is None
    assert cancel_reason_of(DISABLED) is CancelReason.WEBHOOK_DISABLED
    assert (
        cancel_reason_of(deleted(WEBHOOK, 9)) is cancel_reason_of(deleted(DISABLED, 9)) is CancelReason.WEBHOOK_DELETED
    )


def test_a_webhook_follows_the_verdict() -> None:
    assert after_verdict(WEBHOOK, Verdict(DeliveryStatus.SUCCEEDED, None, 0), 9) == replace(
        WEBHOOK, consecutive_failures=0
    )
    disabled = after_verdict(WEBHOOK, Verdict(DeliveryStatus.FAILED, None, 4, disable=True), 9)
    assert (disabled.active, disabled.consecutive_failures, disabled.disabled_at) == (False, 4, 9)
    assert disabled.disabled_reason is DisabledReason.CONSECUTIVE_FAILURES


def news_after(policy: Policy, failures: int, number: int = 4, outcome: Outcome = FAILED) -> OperationalType | None:
    webhook = replace(WEBHOOK, consecutive_failures=failures)
    return operational_news(webhook, judge(policy, number, outcome, failures))


def test_operational_webhooks_are_told_of_the_second_failure_in_a_row() -> None:
    assert [news_after(POLICY, failures) for failures in range(4)] == [
        None,
        OperationalType.WEBHOOK_FAILING,
        None,
        OperationalType.WEBHOOK_DISABLED,
    ]
    # A retry that counts for nothing leaves the counter at 2.
    assert news_after(POLICY, 2, number=1) is None
    assert news_after(POLICY, 1, outcome=DELIVERED) is None
    attempts = Policy(count="attempts")
    assert news_after(attempts, 1, number=2) is OperationalType.WEBHOOK_FAILING
    assert news_after(Policy(disable_after=2), 1) is OperationalType.WEBHOOK_DISABLED


def test_operational_webhooks_are_told_nothing_of_their_own_kind() -> None:
    for failures in range(4):
        webhook = replace(WEBHOOK, consecutive_failures=failures, about=About.OPERATIONS, recovering_since=1)
        for outcome in (FAILED, DELIVERED):
            assert operational_news(webhook, judge(POLICY, 4, outcome, failures)) is None


def test_of_a_live_listener_nothing_is_told_and_its_failures_disable_nothing() -> None:
    for failures in range(10):
        webhook = replace(WEBHOOK, live=True, consecutive_failures=failures)
        for outcome in (FAILED, DELIVERED):
            verdict = judge(POLICY, 4, outcome, failures, disables=failures_disable(webhook))
            assert (operational_news(webhook, verdict), verdict.disable) == (None, False)
