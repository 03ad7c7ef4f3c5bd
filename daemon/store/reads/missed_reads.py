"""Reads what a webhook missed, for its filter to be asked before it is queued again."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from daemon.domain.model import Webhook
from daemon.store import rows
from daemon.store.reads.conditions import is_missed
from daemon.store.reads.time_blocks import SeqRange
from daemon.store.schema import events

_MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MissedEvents:
    """Events that a webhook missed: their bodies by their ids, of all before `end_seq` (None: there are no more)."""

    bodies: dict[str, bytes]
    end_seq: int | None


def missed_events(connection: Connection, webhook: Webhook, since: int, among: SeqRange, limit: int) -> MissedEvents:
    """Return what the webhook missed of the next events of this range: at most `limit` of them, about 1 MiB in all."""
    missed = is_missed(webhook, since).label("missed")
    query = select(events.c.seq, events.c.id, func.length(events.c.body).label("size"), missed)
    query = query.where(events.c.team_id == webhook.team_id, events.c.seq >= among.first_seq)
    query = query if among.end_seq is None else query.where(events.c.seq < among.end_seq)
    looked_at = connection.execute(query.order_by(events.c.seq).limit(limit)).all()
    ids, size, end_seq = list[str](), 0, looked_at[-1].seq + 1 if len(looked_at) == limit else among.end_seq
    for event in looked_at:
        if event.missed:
            ids.append(event.id)
            size += event.size
        if size > _MOST_BYTES:
            end_seq = event.seq + 1
            break
    found = connection.execute(select(events.c.id, events.c.body).where(events.c.id.in_(ids)))
    return MissedEvents({row.id: bytes(rows.right("events", "body", row.body)) for row in found}, end_seq)
