"""Writes: old events queued again, one on request (resend) or all that a webhook missed (recover)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, select
from sqlalchemy import Row as TableRow

from daemon.domain.errors import EventErased
from daemon.domain.model import Origin
from daemon.store.bulk import Row
from daemon.store.commands import Recover, RecoveredPage, Resend
from daemon.store.reads.conditions import is_missed
from daemon.store.schema import deliveries, events, fan_outs, webhooks
from daemon.store.sequences import Sequences
from daemon.store.writes.aside import aside_row, put_aside
from daemon.store.writes.events import delivery_row, insert_requeued
from daemon.store.writes.expiries import insert_expiries

_RESEND, _RECOVER = Origin.RESEND.value, Origin.RECOVER.value


def resend(connection: Connection, commands: Sequence[Resend], sequences: Sequences) -> list[str | EventErased | None]:
    """Queue the events of these deliveries again, each for the same webhook."""
    return [_resend(connection, command, sequences) for command in commands]


def _resend(connection: Connection, command: Resend, sequences: Sequences) -> str | EventErased | None:
    with_event = select(deliveries, events.c.erased_at).join(events, events.c.id == deliveries.c.event_id)
    old = connection.execute(with_event.where(deliveries.c.id == command.delivery_id)).first()
    if old is None:
        return None
    if old.erased_at is not None:
        return EventErased(f"the event {old.event_id} was erased: its payload is gone, so it cannot be sent again")
    row = delivery_row(
        next(sequences.take_deliveries(connection, 1)),
        command.new_id,
        event_id=old.event_id,
        event_type=old.event_type,
        webhook_id=old.webhook_id,
        team_id=old.team_id,
        now=command.now,
        test=int(old.test),
    )
    _lock(connection, old.webhook_id)
    insert_requeued(connection, [(*row, _RESEND, command.delivery_id)])
    return command.new_id


def _lock(connection: Connection, webhook_id: str) -> None:
    """Have other nodes that queue something again for this webhook wait: what is queued now is not missed any more."""
    connection.execute(select(webhooks.c.seq).where(webhooks.c.id == webhook_id).with_for_update())


def recover(connection: Connection, commands: Sequence[Recover], sequences: Sequences) -> list[RecoveredPage]:
    """Queue what these webhooks missed, a page each."""
    return [_recover_page(connection, command, sequences) for command in commands]


def _recover_page(connection: Connection, command: Recover, sequences: Sequences) -> RecoveredPage:
    _lock(connection, command.webhook.id)
    of_team = fan_outs.c.team_id == command.webhook.team_id
    first_to_come = connection.execute(select(func.min(fan_outs.c.first_seq)).where(of_team)).scalar()
    looked_at = connection.execute(_look_at(command, first_to_come)).all()
    missed = [event for event in looked_at if event.missed and _is_wanted(event, command)]
    seqs = sequences.take_deliveries(connection, len(missed))
    origins = _last_deliveries(connection, command.webhook.id, [event.id for event in missed])
    rows, later, expiring = [], list[Row](), list[Row]()
    for event, new_id in zip(missed, command.new_ids, strict=False):
        row = delivery_row(
            next(seqs),
            new_id,
            event_id=event.id,
            event_type=event.type,
            webhook_id=command.webhook.id,
            team_id=command.webhook.team_id,
            now=command.now,
            test=0,
        )
        rows.append((*row, _RECOVER, origins.get(event.id)))
        if event.expires_at is not None:
            expiring.append((row[0], command.webhook.id, event.expires_at))
        if event.deliver_at is not None and event.deliver_at > command.now:
            later.append(aside_row(row[0], command.webhook.id, due_at=event.deliver_at, counted_from=None))
    insert_requeued(connection, rows)
    insert_expiries(connection, expiring)
    for aside in later:
        put_aside(connection, aside)
    due_at = min((*(at for _, _, at, _ in later), *(at for _, _, at in expiring)), default=None)
    return RecoveredPage(len(rows), looked_at[-1].seq if len(looked_at) == command.limit else None, due_at=due_at)


def _is_wanted(event: TableRow[Any], command: Recover) -> bool:
    is_taken = command.taken is None or event.id in command.taken
    return is_taken and (event.expires_at is None or event.expires_at > command.now)


def _last_deliveries(connection: Connection, webhook_id: str, event_ids: Sequence[str]) -> dict[str, str]:
    """Return the ids of the last deliveries of these events to this webhook, by event."""
    query = select(deliveries.c.seq, deliveries.c.event_id, deliveries.c.id).where(
        deliveries.c.event_id.in_(event_ids),
        # Concatenation keeps the planner from using the webhook's index instead of the event's.
        deliveries.c.webhook_id.concat("") == webhook_id,
    )
    return {event_id: its_id for _, event_id, its_id in sorted(map(tuple, connection.execute(query)))}


def _look_at(command: Recover, first_to_come: int | None) -> Select[tuple[int, str, str, int, int, bool]]:
    """Select the next events of the team, missed or not: a page bounds how long the writer is blocked.

    Events whose deliveries are still to be made are not missed.
    """
    missed = is_missed(command.webhook, command.since)
    query = select(
        events.c.seq, events.c.id, events.c.type, events.c.deliver_at, events.c.expires_at, missed.label("missed")
    )
    query = query.where(events.c.team_id == command.webhook.team_id, events.c.seq > command.after_seq)
    for end in (first_to_come, command.before_seq):
        query = query if end is None else query.where(events.c.seq < end)
    return query.order_by(events.c.seq).limit(command.limit)
