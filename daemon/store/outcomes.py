"""Writes: an ended attempt and all that follows from it, in the transaction it shares with others."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from daemon.model import DeliveryStatus
from daemon.store.commands import RecordAttempt, Recorded
from daemon.store.crediting import Debit, debit
from daemon.store.disabling import disable_webhook
from daemon.store.rows import attempt_row
from daemon.store.schema import attempts, deliveries, webhooks
from daemon.store.sequences import Sequences


def record_attempts(connection: Connection, commands: Sequence[RecordAttempt], _sequences: Sequences) -> list[Recorded]:
    """Record the attempts that are not recorded yet: rows, states, counters, debits, then disablings with mails."""
    recorded = _already_recorded(connection, commands)
    fresh = [command for command in commands if command.seq not in recorded]
    if fresh:
        connection.execute(insert(attempts), [attempt_row(command.seq, command.attempt) for command in fresh])
        connection.execute(_UPDATE_DELIVERY, [_new_state(command) for command in fresh])
    _update_counters(connection, fresh)
    _charge(connection, fresh)
    return [
        disable_webhook(connection, command) if command.verdict.disable and command.seq not in recorded else Recorded()
        for command in commands
    ]


_UPDATE_DELIVERY = (
    update(deliveries)
    .where(deliveries.c.seq == bindparam("of_seq"))
    .values(
        {
            name: bindparam(name)
            for name in ("status", "attempts_made", "next_attempt_at", "completed_at", "cancel_reason")
        }
    )
)
_UPDATE_COUNTER = (
    update(webhooks)
    .where(webhooks.c.id == bindparam("of_id"))
    .values(consecutive_failures=bindparam("consecutive_failures"))
)


def _already_recorded(connection: Connection, commands: Sequence[RecordAttempt]) -> set[int]:
    """Return the seqs whose row shows that this very attempt was recorded, or that the delivery is over."""
    numbers = {command.seq: command.attempt.number for command in commands}
    query = select(deliveries.c.seq, deliveries.c.status, deliveries.c.attempts_made)
    rows = connection.execute(query.where(deliveries.c.seq.in_(list(numbers))))
    waiting = {row.seq for row in rows if (row.status, row.attempts_made) == ("pending", numbers[row.seq] - 1)}
    return numbers.keys() - waiting


def _new_state(command: RecordAttempt) -> dict[str, Any]:
    return {
        "of_seq": command.seq,
        "status": command.verdict.status,
        "attempts_made": command.attempt.number,
        "next_attempt_at": command.next_attempt_at,
        "completed_at": None if command.verdict.status is DeliveryStatus.PENDING else command.now,
        "cancel_reason": command.verdict.cancel_reason,
    }


def _update_counters(connection: Connection, fresh: Sequence[RecordAttempt]) -> None:
    changed = [
        {"of_id": command.webhook_id, "consecutive_failures": command.verdict.consecutive_failures}
        for command in fresh
        if command.verdict.consecutive_failures != command.failures_before
    ]
    if changed:
        connection.execute(_UPDATE_COUNTER, changed)


def _charge(connection: Connection, fresh: Sequence[RecordAttempt]) -> None:
    debit(
        connection,
        [
            Debit(command.entry_id, command.team_id, command.delivery_id, command.charge, command.now)
            for command in fresh
            if command.verdict.status is DeliveryStatus.SUCCEEDED and command.charge
        ],
    )
