"""The checker of the crash suites passes a real run and reports each planted violation."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from trio.testing import MockClock

from daemon.store.sqlite.database import open_database
from tests.faults.checker import violations
from tests.faults.evidence import Arrival, Evidence, Receipt, Told, open_read_only
from tests.faults.impossible_rows import ALWAYS, AT_REST, find_impossible_rows
from tests.faults.wire import Wire, gather_from, until_at_rest
from tests.support.daemon import running

DATABASE = "test.db"


async def sound_run(state_dir: Path) -> Evidence:
    """A run with two healthy webhooks and one that is disabled."""
    wire = Wire(answer=lambda url, number: 500 if "down" in url else 200)
    async with running(state_dir, transport=wire.transport) as daemon:
        team = await daemon.team()
        for name in ("one", "two", "down"):
            await daemon.webhook(team, f"https://{name}.example.com/hook")
        ids = await daemon.submit(team, *range(5))
        await until_at_rest(daemon)
        maildir = tuple(mail.id for mail in daemon.mails)
    receipts = tuple(Receipt(event_id, number, 3) for number, event_id in enumerate(ids))
    return gather_from(state_dir / DATABASE, Told(tuple(wire.arrivals), receipts, maildir=maildir))


@pytest.fixture
async def sound(tmp_path: Path, autojump_clock: MockClock) -> Evidence:
    return await sound_run(tmp_path)


async def test_a_correct_run_passes(sound: Evidence, autojump_clock: MockClock) -> None:
    assert violations(sound) == []
    assert len(sound.mails) == 1
    assert len(sound.arrivals) == 2 * 5 + 4 * 4


def lose_an_event(evidence: Evidence) -> Evidence:
    return replace(evidence, events=evidence.events[1:], deliveries=evidence.deliveries[3:])


def lose_a_delivery(evidence: Evidence) -> Evidence:
    return replace(evidence, deliveries=evidence.deliveries[1:])


def make_a_delivery_twice(evidence: Evidence) -> Evidence:
    last = evidence.deliveries[-1]
    unsure = replace(evidence, receipts=evidence.receipts[:-1], unsure=frozenset({evidence.receipts[-1].number}))
    return replace(unsure, deliveries=(*evidence.deliveries, replace(last, id="dlv_again", seq=last.seq + 1)))


def accept_an_event_twice(evidence: Evidence) -> Evidence:
    return replace(evidence, events=(*evidence.events, replace(evidence.events[0], id="evt_again")))


def accept_an_event_of_nobody(evidence: Evidence) -> Evidence:
    return replace(evidence, events=(*evidence.events, replace(evidence.events[0], id="evt_other", number=99)))


def record_an_attempt_that_was_not_made(evidence: Evidence) -> Evidence:
    return replace(evidence, arrivals=evidence.arrivals[1:])


def record_another_answer(evidence: Evidence) -> Evidence:
    first = evidence.arrivals[0]
    return replace(evidence, arrivals=(replace(first, status=418), *evidence.arrivals[1:]))


def make_an_attempt_that_is_not_recorded(evidence: Evidence) -> Evidence:
    last = evidence.arrivals[-1]
    return replace(evidence, arrivals=(*evidence.arrivals, replace(last, attempt=last.attempt + 1)))


def make_an_attempt_twice(evidence: Evidence) -> Evidence:
    return replace(evidence, arrivals=(*evidence.arrivals, evidence.arrivals[-1]))


def deliver_something_unknown(evidence: Evidence) -> Evidence:
    return replace(evidence, arrivals=(*evidence.arrivals, Arrival(0, "dlv_unknown", 1, 0, 200)))


def deliver_out_of_order(evidence: Evidence) -> Evidence:
    return replace(evidence, arrivals=tuple(reversed(evidence.arrivals)))


def deliver_a_later_event_first(evidence: Evidence) -> Evidence:
    return replace(evidence, events=tuple(reversed(evidence.events)))


def miscount_failures(evidence: Evidence) -> Evidence:
    first, *others = evidence.webhooks
    return replace(evidence, webhooks=(replace(first, consecutive_failures=1), *others))


def disable_for_nothing(evidence: Evidence) -> Evidence:
    first, *others = evidence.webhooks
    return replace(evidence, webhooks=(replace(first, active=False, consecutive_failures=4), *others))


def mail_twice(evidence: Evidence) -> Evidence:
    return replace(evidence, mails=(*evidence.mails, replace(evidence.mails[0], id="mail_again")))


def mail_never(evidence: Evidence) -> Evidence:
    return replace(evidence, mails=())


def send_a_mail_twice(evidence: Evidence) -> Evidence:
    return replace(evidence, maildir=(*(evidence.maildir or ()), "mail_again"))


def repeat_everything(evidence: Evidence) -> Evidence:
    again = tuple(replace(arrival, life=1) for arrival in evidence.arrivals)
    return replace(evidence, arrivals=(*evidence.arrivals, *again))


PLANTED: tuple[tuple[Callable[[Evidence], Evidence], str], ...] = (
    (lose_an_event, "is lost"),
    (lose_a_delivery, "were promised"),
    (make_a_delivery_twice, "has 2 deliveries to webhook"),
    (accept_an_event_twice, "was accepted 2 times"),
    (accept_an_event_of_nobody, "was never submitted"),
    (record_an_attempt_that_was_not_made, "the receiver never got it"),
    (record_another_answer, "which was not the answer"),
    (make_an_attempt_that_is_not_recorded, "but is not recorded"),
    (make_an_attempt_twice, "came twice without a kill between"),
    (repeat_everything, "got 5 attempts again in life 1"),
    (deliver_something_unknown, "the database does not know"),
    (deliver_out_of_order, "out of order"),
    (deliver_a_later_event_first, "got its events out of order"),
    (miscount_failures, "counts 1 failures instead of 0"),
    (disable_for_nothing, "is disabled without 4 failures"),
    (mail_twice, "2 mails tell of it"),
    (mail_never, "0 mails tell of it"),
    (send_a_mail_twice, "the Maildir holds 2 mails"),
)


async def test_each_planted_violation_is_reported(sound: Evidence, autojump_clock: MockClock) -> None:
    for plant, sentence in PLANTED:
        assert any(sentence in found for found in violations(plant(sound))), plant.__name__


def test_a_kill_between_them_excuses_the_second_arrival_of_an_attempt() -> None:
    arrivals = (Arrival(0, "dlv_1", 1, 0, 200), Arrival(1, "dlv_1", 1, 0, 200))
    nothing = Evidence((), (), (), (), arrivals, ())
    assert not any("twice" in found for found in violations(nothing))


FAN_OUT = "VALUES (1, 1, 'acme', {next_seq}, 0, {remaining}, 0, '{{}}')"
# One statement for each sentence of `impossible_rows`: it makes a sound database break just that rule.
PLANTED_ROWS = {
    "a delivery of an unknown event": "DELETE FROM events WHERE seq = 1",
    "a delivery to an unknown webhook": "DELETE FROM webhooks WHERE seq = 1",
    "a delivery to another team's webhook": "UPDATE deliveries SET team_id = 'other' WHERE seq = 1",
    "a delivery of another type than its event": "UPDATE deliveries SET event_type = 'other' WHERE seq = 1",
    "an unknown status": "UPDATE deliveries SET status = 'lost' WHERE seq = 1",
    "a pending delivery with an end": "UPDATE deliveries SET status = 'pending' WHERE seq = 1",
    "an ended delivery without its time": "UPDATE deliveries SET completed_at = NULL WHERE seq = 1",
    "an ended delivery that is still due": "UPDATE deliveries SET next_attempt_at = 1 WHERE seq = 1",
    "a reason for cancelling exactly with the cancelled": "UPDATE deliveries SET cancel_reason = 'x' WHERE seq = 1",
    "an event that was erased and kept its body, or the other way round": "UPDATE events SET erased_at = 1",
    "a retry without its due time": "UPDATE deliveries SET status = 'pending' WHERE seq = 1",
    "a delivery that waits aside exactly until its time": "INSERT INTO set_aside VALUES (1, 'wh_1', 1, 1)",
    "attempts that are not 1, 2, … up to attempts_made": "UPDATE attempts SET number = 2 WHERE delivery_seq = 1",
    "an attempt of no delivery": "UPDATE attempts SET delivery_seq = 999 WHERE delivery_seq = 1",
    "more than 4 attempts": "UPDATE deliveries SET attempts_made = 5 WHERE seq = 1",
    "an attempt that our own stop cut short, recorded": "UPDATE attempts SET outcome = 'interrupted'",
    "an outcome that contradicts its status code": "UPDATE attempts SET status = 500 WHERE outcome = 'delivered'",
    "a success that is not its delivery's last attempt": "UPDATE deliveries SET status = 'failed' WHERE seq = 1",
    "a succeeded delivery whose last attempt failed": "UPDATE deliveries SET status = 'succeeded'",
    "a failed delivery with retries left": "UPDATE deliveries SET status = 'failed' WHERE seq = 1",
    "an active webhook with a reason for being disabled": "UPDATE webhooks SET active = 1",
    "a disabled webhook without reason and time": "UPDATE webhooks SET disabled_at = NULL",
    "a deleted webhook that is active or keeps its secret": "UPDATE webhooks SET deleted_at = 1",
    "a failure counter out of its range": "UPDATE webhooks SET consecutive_failures = 5",
    "a live listener that its failures disabled": "UPDATE webhooks SET live = 1",
    "a debit of a delivery that did not succeed": "UPDATE deliveries SET status = 'failed' WHERE seq = 1",
    "a delivery that was not charged": "DELETE FROM credit_entries WHERE seq = 1",
    "a charged delivery to a live listener": "UPDATE webhooks SET live = 1",
    "a delivery that was charged twice": """
        DROP TABLE credit_entries; CREATE TABLE credit_entries AS SELECT 1 AS seq, 'crd_1' AS id, 'acme' AS team_id,
        -2 AS amount, -2 AS balance_after, 0 AS created_at, d.id AS delivery_id, NULL AS note
        FROM deliveries d, (SELECT 1 UNION ALL SELECT 2) WHERE d.seq = 1""",
    "a wrong price": "UPDATE credit_entries SET amount = -3 WHERE seq = 1",
    "a ledger line whose balance does not follow from the line before": """
        UPDATE credit_entries SET balance_after = 7 WHERE seq = 2""",
    "a balance that is not the sum of its ledger": "UPDATE teams SET balance = 7",
    "a mail about an unknown webhook": "UPDATE mails SET webhook_id = 'wh_other'",
    "a mail that does not name 4 failures": "UPDATE mails SET failures = '[]'",
    "two mails of a kind about one disabling": """
        INSERT INTO mails SELECT 99, 'mail_again', team_id, webhook_id, webhook_name, webhook_url, disabled_at,
        failures, recipients, created_at, attempts_made, next_attempt_at, sent_at, last_error, kind,
        balance FROM mails""",
    "an idempotency key whose receipt names an unknown event": """
        INSERT INTO idempotency_keys VALUES ('operator', 'key', x'00', '[["evt_unknown", 1]]', 0)""",
    "a fan-out that does not stand among its events": f"INSERT INTO fan_outs {FAN_OUT.format(next_seq=9, remaining=1)}",
    "a fan-out that is not finished": f"INSERT INTO fan_outs {FAN_OUT.format(next_seq=1, remaining=1)}",
    "a cancellation of deliveries to come, with none to come": """
        INSERT INTO fan_out_cancellations VALUES ('wh_1', 1, 'webhook_deleted', 0)""",
    "a pause of a webhook that gets nothing, or a time to resume without a pause": """
        UPDATE webhooks SET resumes_at = 1 WHERE seq = 1""",
    "a delivery that is still pending": "UPDATE deliveries SET status = 'pending' WHERE seq = 1",
    "a mail that still waits": "UPDATE mails SET sent_at = NULL",
}


async def test_each_kind_of_impossible_row_is_found(sound: Evidence, tmp_path: Path, autojump_clock: MockClock) -> None:
    queries = {**ALWAYS, **AT_REST}
    assert PLANTED_ROWS.keys() == queries.keys()
    for number, (sentence, statement) in enumerate(PLANTED_ROWS.items()):
        spoilt = tmp_path / f"spoilt{number}.db"
        shutil.copy(tmp_path / DATABASE, spoilt)
        with closing(sqlite3.connect(spoilt)) as connection:
            connection.executescript(statement)
        with closing(open_read_only(spoilt)) as connection:
            assert find_impossible_rows(connection, {sentence: queries[sentence]}), sentence


def test_an_empty_database_has_no_impossible_row(tmp_path: Path) -> None:
    open_database(tmp_path / DATABASE).close()
    with closing(open_read_only(tmp_path / DATABASE)) as connection:
        assert find_impossible_rows(connection, {**ALWAYS, **AT_REST}) == []
