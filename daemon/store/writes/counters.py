"""Writes: what ended in each hour and what was consumed on each day, counted in the transaction in which it happens."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, select, tuple_

from daemon.domain.clock import DAY_MS, HOUR_MS
from daemon.domain.model import DeliveryStatus
from daemon.store.bulk import AddRows, send_rows
from daemon.store.commands import RecordAttempt
from daemon.store.schema import credit_days, webhook_hours
from daemon.store.sequences import Sequences
from daemon.store.upkeep_commands import PruneWebhookHours

WEBHOOK_HOURS_KEPT_MS = 48 * HOUR_MS

_COUNT_HOURS = AddRows(webhook_hours)
_COUNT_DAYS = AddRows(credit_days)


def count_ended(connection: Connection, commands: Iterable[RecordAttempt]) -> None:
    """Count the deliveries that succeeded or failed with these attempts, each in its webhook's hour."""
    ended: dict[DeliveryStatus, Counter[tuple[int, str]]] = defaultdict(Counter)
    for command in commands:
        ended[command.verdict.status][command.now - command.now % HOUR_MS, command.webhook_id] += 1
    succeeded, failed = ended[DeliveryStatus.SUCCEEDED], ended[DeliveryStatus.FAILED]
    rows = [(*key, succeeded[key], failed[key]) for key in succeeded.keys() | failed.keys()]
    send_rows(connection, _COUNT_HOURS, rows)


def count_consumed(connection: Connection, debits: Iterable[tuple[str, int, int]]) -> None:
    """Count these debits (team id, time, amount above 0), each on its team's day."""
    consumed: Counter[tuple[str, int]] = Counter()
    for team_id, at, amount in debits:
        consumed[team_id, at - at % DAY_MS] += amount
    send_rows(connection, _COUNT_DAYS, [(*key, amount) for key, amount in consumed.items()])


def prune_webhook_hours(
    connection: Connection, commands: Sequence[PruneWebhookHours], _sequences: Sequences
) -> list[int]:
    """Delete the oldest hours that began before their commands' times, a bounded number for each command."""
    return [_prune_webhook_hours(connection, command) for command in commands]


def _prune_webhook_hours(connection: Connection, command: PruneWebhookHours) -> int:
    key = tuple_(webhook_hours.c.hour, webhook_hours.c.webhook_id)
    oldest = select(webhook_hours.c.hour, webhook_hours.c.webhook_id).where(webhook_hours.c.hour < command.before)
    some = oldest.order_by(webhook_hours.c.hour, webhook_hours.c.webhook_id).limit(command.limit)
    return connection.execute(delete(webhook_hours).where(key.in_(some))).rowcount
