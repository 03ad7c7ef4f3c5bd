"""Writes: an ended attempt and all that follows from it, in the transaction it shares with others."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, or_, update

from daemon.domain.model import DeliveryStatus
from daemon.domain.operations import OperationalType
from daemon.store.bulk import InsertRows, Row, UpdateRows, execute_rows, given_rows, send_rows
from daemon.store.commands import RecordAttempt, Recorded
from daemon.store.rows import attempt_row
from daemon.store.schema import attempts, deliveries, webhooks
from daemon.store.sequences import Sequences
from daemon.store.stored_status import PENDING_ASIDE, PENDING_WORDS
from daemon.store.writes.aside import aside_row, insert_aside
from daemon.store.writes.counters import count_ended
from daemon.store.writes.credits import debit
from daemon.store.writes.crossings import Told
from daemon.store.writes.disabling import disable_webhook
from daemon.store.writes.operational_events import tell_of_webhook
from daemon.store.writes.recovering import recover_webhook


class RecordedAlready(Exception):
    """One of these attempts was already recorded: each has to be run alone (`run_batch` does so)."""


def record_attempts(connection: Connection, commands: Sequence[RecordAttempt], _sequences: Sequences) -> list[Recorded]:
    """Record ended attempts: states, rows, counters, hours, debits, then disablings and recoveries with mails.

    One that is recorded already, or whose delivery is over, changes nothing. Raises RecordedAlready if that is so for
    one of several.
    """
    moved = execute_rows(connection, _MOVE_DELIVERIES, [_new_state(command) for command in commands])
    if moved < len(commands):
        if len(commands) > 1:
            raise RecordedAlready
        return [_NOTHING_FOLLOWS]
    send_rows(connection, _INSERT_ATTEMPTS, [attempt_row(command.seq, command.attempt) for command in commands])
    insert_aside(connection, [_aside_row(command) for command in commands if command.verdict.steps_aside])
    _update_counters(connection, commands)
    count_ended(connection, commands)
    told = _charge(connection, commands)
    return [_follow(connection, command, told.get(command.entry_id or "", _NOBODY)) for command in commands]


def _follow(connection: Connection, command: RecordAttempt, told: Told) -> Recorded:
    """Disable the webhook or have it recover, if it does, and tell of it; `told` are told of credits already."""
    if command.verdict.disable:
        return disable_webhook(connection, command)
    if command.recovered_from is not None:
        recovered = recover_webhook(connection, command)
        return Recorded(mails=(*recovered.mails, *told.mails), told=recovered.told or told.operations)
    if command.news is OperationalType.WEBHOOK_FAILING:
        return Recorded(told=tell_of_webhook(connection, command))
    return _NOTHING_FOLLOWS if told is _NOBODY else Recorded(mails=told.mails, told=told.operations)


_NOBODY = Told()
_NOTHING_FOLLOWS = Recorded()


_moved = given_rows(
    seq=deliveries.c.seq,
    attempts_before=deliveries.c.attempts_made,
    status=deliveries.c.status,
    attempts_made=deliveries.c.attempts_made,
    next_attempt_at=deliveries.c.next_attempt_at,
    completed_at=deliveries.c.completed_at,
    cancel_reason=deliveries.c.cancel_reason,
)
# Changes a delivery only if it is still as this attempt found it: this makes a repetition harmless at no extra cost.
_MOVE_DELIVERIES = UpdateRows(
    _moved,
    update(deliveries)
    .where(
        deliveries.c.seq == _moved.c.seq,
        # Concatenation keeps planners from going through all that is pending: there may be millions.
        or_(*(deliveries.c.status.concat("") == word for word in PENDING_WORDS)),
        deliveries.c.attempts_made == _moved.c.attempts_before,
    )
    .values(
        status=_moved.c.status,
        attempts_made=_moved.c.attempts_made,
        next_attempt_at=_moved.c.next_attempt_at,
        completed_at=_moved.c.completed_at,
        cancel_reason=_moved.c.cancel_reason,
    ),
)
_INSERT_ATTEMPTS = InsertRows(attempts, tuple(attempts.c.keys()))
_counted = given_rows(webhook_id=webhooks.c.id, consecutive_failures=webhooks.c.consecutive_failures)
_UPDATE_COUNTERS = UpdateRows(
    _counted,
    update(webhooks)
    .where(webhooks.c.id == _counted.c.webhook_id)
    .values(consecutive_failures=_counted.c.consecutive_failures),
)


def _new_state(command: RecordAttempt) -> tuple[Any, ...]:
    verdict, number = command.verdict, command.attempt.number
    return (
        command.seq,
        number - 1,
        PENDING_ASIDE if verdict.steps_aside else verdict.status.value,
        number,
        command.next_attempt_at,
        None if verdict.status is DeliveryStatus.PENDING else command.now,
        verdict.cancel_reason and verdict.cancel_reason.value,
    )


def _aside_row(command: RecordAttempt) -> Row:
    assert command.next_attempt_at is not None, "only who waits for a retry steps aside"
    return aside_row(command.seq, command.webhook_id, due_at=command.next_attempt_at, counted_from=command.now)


def _update_counters(connection: Connection, commands: Sequence[RecordAttempt]) -> None:
    changed = [
        (command.webhook_id, command.verdict.consecutive_failures)
        for command in commands
        if command.verdict.consecutive_failures != command.failures_before
    ]
    send_rows(connection, _UPDATE_COUNTERS, changed)


def _charge(connection: Connection, commands: Sequence[RecordAttempt]) -> Mapping[str, Told]:
    return debit(
        connection,
        [
            (command.entry_id, command.team_id, -command.charge, command.delivery_id, None, command.now)
            for command in commands
            if command.verdict.status is DeliveryStatus.SUCCEEDED and command.charge
        ],
        exhausted_below=commands[0].exhausted_below,
    )
