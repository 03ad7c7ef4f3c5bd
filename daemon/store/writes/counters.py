"""Writes: what ended in each hour and what was consumed on each day, counted in the transaction in which it happens."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import Connection, Table, delete, select, tuple_

from daemon.domain.clock import DAY_MS, HOUR_MS
from daemon.domain.latencies import latency_class
from daemon.domain.model import DeliveryStatus, Outcome, OutcomeKind
from daemon.store.bulk import AddRows, send_rows
from daemon.store.commands import RecordAttempt
from daemon.store.schema import credit_days, webhook_errors, webhook_hours
from daemon.store.sequences import Sequences
from daemon.store.upkeep_commands import PruneWebhookHours

MOST_HOURS_KEPT_MS, FEWEST_HOURS_KEPT_MS = 31 * DAY_MS, 2 * DAY_MS

_COUNT_HOURS = AddRows(webhook_hours)
_COUNT_ERRORS = AddRows(webhook_errors)
_COUNT_DAYS = AddRows(credit_days)
# Where the numbers of a webhook's hour stand in its row, behind the key.
_WIDTH = len(webhook_hours.c) - 2
_PLACES: Mapping[DeliveryStatus, int] = MappingProxyType(
    {DeliveryStatus.SUCCEEDED: 0, DeliveryStatus.FAILED: 1, DeliveryStatus.CANCELLED: 2}
)
_LATENCIES = len(_PLACES)


def hours_kept_ms(retention_days: int) -> int:
    """Return for how long the counts of hours are kept (ms), if events are for so many days (0: for ever)."""
    return max(FEWEST_HOURS_KEPT_MS, min(retention_days * DAY_MS or MOST_HOURS_KEPT_MS, MOST_HOURS_KEPT_MS))


def count_ended(connection: Connection, commands: Iterable[RecordAttempt]) -> None:
    """Count these attempts and the deliveries that ended with them, each in its webhook's hour."""
    hours: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0] * _WIDTH)
    errors: Counter[tuple[int, str, str, int]] = Counter()
    for command in commands:
        outcome, key = command.attempt.outcome, (command.now - command.now % HOUR_MS, command.webhook_id)
        counts = hours[key]
        if (place := _PLACES.get(command.verdict.status)) is not None:
            counts[place] += 1
        if _tells_latency(outcome):
            counts[_LATENCIES + latency_class(outcome.duration_ms)] += 1
        if not outcome.delivered:
            errors[(*key, outcome.kind.value, outcome.status or 0)] += 1
    send_rows(connection, _COUNT_HOURS, [(*key, *counts) for key, counts in hours.items()])
    send_rows(connection, _COUNT_ERRORS, [(*key, attempts) for key, attempts in errors.items()])


def count_cancelled(connection: Connection, cancelled: Mapping[tuple[str, int], int]) -> None:
    """Count so many deliveries as cancelled, by their webhook's id and the time at which they were cancelled (ms)."""
    hours: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0] * _WIDTH)
    for (webhook_id, at), count in cancelled.items():
        hours[at - at % HOUR_MS, webhook_id][_PLACES[DeliveryStatus.CANCELLED]] += count
    send_rows(connection, _COUNT_HOURS, [(*key, *counts) for key, counts in hours.items()])


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
    return [
        max(_prune(connection, table, command) for table in (webhook_hours, webhook_errors)) for command in commands
    ]


def _tells_latency(outcome: Outcome) -> bool:
    """Whether it tells how fast the receiver is: it answered, or time ran out."""
    return outcome.status is not None or outcome.kind is OutcomeKind.TIMEOUT


def _prune(connection: Connection, table: Table, command: PruneWebhookHours) -> int:
    key = tuple(table.primary_key)
    oldest = select(*key).where(table.c.hour < command.before).order_by(*key).limit(command.limit)
    return connection.execute(delete(table).where(tuple_(*key).in_(oldest))).rowcount
