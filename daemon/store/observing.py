"""The read for the metrics: how much waits, and since when."""

from dataclasses import dataclass

from sqlalchemy import Connection, Table, func, select

from daemon.store.disabling import IS_PENDING
from daemon.store.schema import deliveries, fan_outs, mails, teams


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait, and when the oldest of them was made (ms), None if there are none."""

    count: int
    oldest_at: int | None


@dataclass(frozen=True, slots=True)
class Observation:
    """What waits just now; deliveries that are still to be made count as pending."""

    deliveries: Waiting
    mails: Waiting


def observe(connection: Connection) -> Observation:
    """Return what waits. Looks at each team and each pending delivery: a million of them take a tenth of a second."""
    return Observation(_pending_deliveries(connection), _waiting_mails(connection))


def _pending_deliveries(connection: Connection) -> Waiting:
    # Team by team: an index knows what is pending of each.
    of_team = select(func.count()).where(IS_PENDING, deliveries.c.team_id == teams.c.id)
    count, first = of_team.scalar_subquery(), of_team.with_only_columns(func.min(deliveries.c.seq)).scalar_subquery()
    by_team = select(count.label("count"), first.label("first")).select_from(teams).subquery()
    found = connection.execute(select(func.sum(by_team.c.count), func.min(by_team.c.first))).one()
    made = _waiting(connection, deliveries, *found)
    to_come = select(func.coalesce(func.sum(fan_outs.c.remaining), 0), func.min(fan_outs.c.accepted_at))
    count, oldest_at = connection.execute(to_come).one()
    return Waiting(made.count + count, min((at for at in (made.oldest_at, oldest_at) if at is not None), default=None))


def _waiting_mails(connection: Connection) -> Waiting:
    query = select(func.count(), func.min(mails.c.seq)).where(mails.c.sent_at.is_(None))
    return _waiting(connection, mails, *connection.execute(query).one())


def _waiting(connection: Connection, table: Table, count: int | None, first_seq: int | None) -> Waiting:
    made_at = select(table.c.created_at).where(table.c.seq == first_seq)
    return Waiting(count or 0, None if first_seq is None else connection.execute(made_at).scalar())
