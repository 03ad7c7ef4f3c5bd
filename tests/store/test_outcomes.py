"""An ended attempt and all that follows from it: one transaction, applied once (contract "Credits")."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from daemon.domain.lifecycle import Verdict
from daemon.domain.mails import MailKind
from daemon.domain.model import CancelReason, DeliveryStatus, TeamEdit
from daemon.store.cancel_commands import CancelPending
from daemon.store.commands import CreateWebhook, MailSent, RecordAttempt, Recorded, SaveTeam, SaveWebhook
from daemon.store.reads import actor_reads, api_reads
from daemon.store.writes.batch import run_batch
from tests.store.filling import NOW, AnyDatabase, a_team, a_webhook, accept, count, found, recording, run


def read(database: AnyDatabase, query: Any, *args: Any) -> Any:
    with database.reading.connect() as connection:
        return query(connection, *args)


def disabling(database: AnyDatabase) -> RecordAttempt:
    """Return the command that disables a webhook with three failed deliveries behind it and three waiting."""
    *failed, last, _, _, _ = accept(database, range(7))
    for failures, work in enumerate(failed):
        run(database, final_failure(recording(work, 1, status=500), failures))
    return final_failure(recording(last, 1, status=500), 3)


def final_failure(command: RecordAttempt, failures: int) -> RecordAttempt:
    verdict = Verdict(DeliveryStatus.FAILED, None, failures + 1, disable=failures == 3)
    return structs.replace(command, failures_before=failures, verdict=verdict, next_attempt_at=None)


def test_a_success_is_recorded_with_its_attempt_its_debit_and_its_time(database: AnyDatabase) -> None:
    found(database)
    (work,) = accept(database, [1])
    assert run(database, recording(work, 1)) == Recorded()
    delivery = read(database, api_reads.get_delivery, work.delivery_id)
    (attempt,) = read(database, api_reads.get_attempts, work.delivery_id)
    (entry,) = read(database, api_reads.list_credit_entries, "team_1", 10).items
    assert (delivery.status, delivery.attempts_made, delivery.completed_at) == ("succeeded", 1, NOW + 1)
    assert attempt == recording(work, 1).attempt
    assert (entry.amount, entry.balance_after, entry.delivery_id) == (-2, -2, work.delivery_id)


def test_a_failed_attempt_leaves_the_delivery_pending_with_its_next_time(database: AnyDatabase) -> None:
    found(database)
    (work,) = accept(database, [1])
    run(database, recording(work, 1, status=500))
    delivery = read(database, api_reads.get_delivery, work.delivery_id)
    assert (delivery.status, delivery.attempts_made, delivery.next_attempt_at) == ("pending", 1, NOW + 1000)
    assert delivery.completed_at is None


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_the_same_attempt_given_twice_is_recorded_and_charged_once(database: AnyDatabase, in_one_batch: bool) -> None:
    found(database)
    (work,) = accept(database, [1])
    command = recording(work, 1)
    again = structs.replace(command, entry_id="crd_other")
    if in_one_batch:
        assert run_batch(database, [command, again]) == [Recorded()] * 2
    else:
        assert [run(database, command), run(database, again)] == [Recorded()] * 2
    assert count(database, "attempts") == count(database, "credit_entries") == 1
    assert read(database, api_reads.get_balance, "team_1") == -2


def test_the_same_disabling_given_twice_queues_one_mail_and_counts_once(database: AnyDatabase) -> None:
    found(database)
    command = disabling(database)
    first = run(database, command)
    second = run(database, structs.replace(command, mail_id="mail_other"))
    assert (first.cancelled.count, first.mails, second) == (3, (command.mail_id,), Recorded())
    assert count(database, "mails") == 1
    webhook = read(database, api_reads.get_webhook, "wh_1")
    assert (webhook.active, webhook.consecutive_failures) == (False, 4)


def test_the_operators_copy_is_a_mail_of_its_own_and_queued_once(database: AnyDatabase) -> None:
    found(database)
    command = structs.replace(disabling(database), operator_address="root@example.com")
    first, second = run(database, command), run(database, command)
    assert (len(first.mails), second) == (2, Recorded())
    team, operator = read(database, actor_reads.due_mails, NOW + 10**6)
    assert (team.kind, team.recipients) == (MailKind.DISABLED, ("ops@example.com",))
    assert (operator.kind, operator.recipients) == (MailKind.DISABLED_FOR_OPERATOR, ("root@example.com",))
    assert (operator.failures, operator.webhook_name) == (team.failures, team.webhook_name)
    run(database, MailSent(team.id, NOW))
    assert [mail.id for mail in read(database, actor_reads.due_mails, NOW + 10**6)] == [operator.id]


def test_the_operator_is_told_of_a_team_without_addresses(database: AnyDatabase) -> None:
    found(database)
    run(database, SaveTeam(a_team().id, TeamEdit(notification_emails=())))
    run(database, structs.replace(disabling(database), operator_address="root@example.com"))
    assert [mail.recipients for mail in read(database, actor_reads.due_mails, NOW + 10**6)] == [("root@example.com",)]


def test_the_same_recovery_given_twice_queues_one_mail(database: AnyDatabase) -> None:
    found(database)
    run(database, SaveWebhook(replace(a_webhook(), recovering_since=NOW)))
    first, second = (recording(work, 1) for work in accept(database, [1, 2]))
    recoveries = [structs.replace(one, mail_id=f"mail_{one.seq}", recovered_from=NOW) for one in (first, second)]
    assert [len(answer.mails) for answer in run_batch(database, recoveries)] == [1, 0]
    assert run(database, recoveries[0]) == Recorded()
    [mail] = read(database, actor_reads.due_mails, NOW + 10**6)
    assert (mail.kind, mail.disabled_at, mail.failures) == (MailKind.RECOVERED, NOW, ())
    assert read(database, api_reads.get_webhook, "wh_1").recovering_since is None


def test_an_attempt_of_a_delivery_cancelled_during_it_changes_nothing(database: AnyDatabase) -> None:
    found(database)
    (work,) = accept(database, [1])
    run(database, CancelPending("wh_1", CancelReason.WEBHOOK_DISABLED, NOW))
    run(database, recording(work, 1))
    assert read(database, api_reads.get_delivery, work.delivery_id).status == "cancelled"
    assert count(database, "attempts") == count(database, "credit_entries") == 0


def test_a_late_repetition_of_an_earlier_attempt_changes_nothing(database: AnyDatabase) -> None:
    found(database)
    (work,) = accept(database, [1])
    first, second = recording(work, 1, status=500), recording(work, 2, status=500)
    run_batch(database, [first])
    run_batch(database, [second])
    run_batch(database, [first])
    delivery = read(database, api_reads.get_delivery, work.delivery_id)
    assert (delivery.attempts_made, count(database, "attempts")) == (2, 2)


def test_a_repetition_among_other_outcomes_changes_nothing_and_does_not_affect_them(database: AnyDatabase) -> None:
    found(database)
    works = accept(database, range(4))
    first, *others = [recording(work, 1) for work in works]
    run(database, first)
    again = structs.replace(first, entry_id="crd_other", attempt=replace(first.attempt, started_at=NOW + 9))
    assert run_batch(database, [again, *others[:2], again, *others[2:]]) == [Recorded()] * 5
    ledger = read(database, api_reads.list_credit_entries, "team_1", 10).items
    assert [entry.balance_after for entry in reversed(ledger)] == [-2, -4, -6, -8]
    assert [read(database, api_reads.get_attempts, work.delivery_id) for work in works] == [
        [command.attempt] for command in (first, *others)
    ]


def test_a_repeated_failure_leaves_the_counter_unchanged(database: AnyDatabase) -> None:
    found(database)
    failed, succeeded = accept(database, [1, 2])
    failure = final_failure(recording(failed, 1, status=500), 0)
    run(database, failure)
    run(database, recording(succeeded, 1, failures=1))
    run(database, failure)
    assert read(database, api_reads.get_webhook, "wh_1").consecutive_failures == 0


def test_two_attempts_of_one_delivery_in_one_transaction_are_both_recorded(database: AnyDatabase) -> None:
    found(database)
    (work,) = accept(database, [1])
    assert run_batch(database, [recording(work, 1, status=500), recording(work, 2)]) == [Recorded()] * 2
    delivery = read(database, api_reads.get_delivery, work.delivery_id)
    assert (delivery.status, delivery.attempts_made, count(database, "attempts")) == ("succeeded", 2, 2)


def test_many_outcomes_in_one_transaction_each_get_their_own_answer(database: AnyDatabase) -> None:
    found(database)
    run(database, CreateWebhook(a_webhook(2)))
    command = disabling(database)
    others = accept(database, range(10, 15), "wh_2")
    succeeding = [recording(work, 1, webhook=2) for work in others]
    answers = run_batch(database, [*succeeding[:2], command, *succeeding[2:]])
    assert [answer.cancelled.count for answer in answers] == [0, 0, 3, 0, 0, 0]
    assert [len(answer.mails) for answer in answers] == [0, 0, 1, 0, 0, 0]
    ledger = read(database, api_reads.list_credit_entries, "team_1", 10).items
    assert [entry.balance_after for entry in reversed(ledger)] == [-2, -4, -6, -8, -10]


def test_disabling_cancels_the_webhooks_pending_deliveries_and_no_others(database: AnyDatabase) -> None:
    found(database)
    run(database, CreateWebhook(a_webhook(2)))
    accept(database, [90, 91], "wh_2")
    run(database, disabling(database))
    assert count(database, "deliveries", "webhook_id = 'wh_1' AND status = 'cancelled'") == 3
    assert count(database, "deliveries", "webhook_id = 'wh_2' AND status = 'pending'") == 2


def test_without_notification_addresses_no_mail_is_queued(database: AnyDatabase) -> None:
    found(database)
    run(database, SaveTeam(a_team().id, TeamEdit(notification_emails=())))
    recorded = run(database, disabling(database))
    assert (recorded.cancelled.count, recorded.mails) == (3, ())
    assert count(database, "mails") == 0
