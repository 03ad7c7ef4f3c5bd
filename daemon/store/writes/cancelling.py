"""Writes: pending deliveries are cancelled, a bounded number in one transaction; what is left is cancelled later.

A cancellation covers a webhook's pending deliveries up to `through_seq`, but `except_seq`, which was in flight, or
`except_seqs`, if several were. Once it is committed none of them is delivered, although each stays `pending` until its
page comes, and even if the webhook is enabled again in the meantime.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from daemon.domain.model import CancelReason
from daemon.store.bulk import fetch_rows, in_one_row
from daemon.store.cancel_commands import CancelledPage, CancelNext, CancelPending
from daemon.store.commands import Cancelled, CancelledDelivery
from daemon.store.rows import right
from daemon.store.schema import cancellations, deliveries, webhooks
from daemon.store.seq_lists import seqs_from_text, seqs_to_text
from daemon.store.sequences import Sequences
from daemon.store.stored_status import PENDING_ASIDE, PENDING_WORDS
from daemon.store.writes.aside import forget_aside
from daemon.store.writes.cancelling_some import ended
from daemon.store.writes.counters import count_cancelled
from daemon.store.writes.fan_outs import cancel_deferred_deliveries

# This many take about 20 ms, including index updates.
MAX_CANCELLED_PER_COMMIT = 1_000
# Later pages take about 5 ms each: there may be thousands of them, interleaved with other work.
_LATER_AT_ONCE = 250


def cancel_pending(
    connection: Connection, webhook_id: str, reason: CancelReason, now: int, but_seqs: Sequence[int] = ()
) -> Cancelled:
    """Cancel a webhook's pending deliveries, but those in flight: the first of them now, the others by `cancel_next`.

    What an earlier cancellation covers is left to that one; what is still to be made is cancelled then.
    """
    cancel_deferred_deliveries(connection, webhook_id, reason=reason, now=now)
    last = connection.execute(_newest_of(webhook_id)).first()
    of_webhook = _of(webhook_id, but_seqs)
    excepted = and_(of_webhook, deliveries.c.seq.in_(_excepted_by(last) if last else (0,)))
    behind = and_(of_webhook, deliveries.c.seq > (last.through_seq if last else 0))
    limit = MAX_CANCELLED_PER_COMMIT
    first = _cancel(connection, excepted, reason=reason, now=now, limit=limit)
    others = _cancel(connection, behind, reason=reason, now=now, limit=limit)
    names, more = (*first, *others), len(others) == limit
    _count(connection, webhook_id, now=now, count=len(names))
    if more:
        through = select(func.max(deliveries.c.seq)).where(deliveries.c.webhook_id == webhook_id).scalar_subquery()
        rest = {"webhook_id": webhook_id, "through_seq": through, "reason": reason, "at": now}
        rest |= {"except_seq": but_seqs[0]} if len(but_seqs) == 1 else {"except_seqs": seqs_to_text(but_seqs)}
        connection.execute(insert(cancellations).values(**rest, cancelled=len(names)))
    return Cancelled(len(names), names, more)


def cancel_all_pending(
    connection: Connection, commands: Sequence[CancelPending], _sequences: Sequences
) -> list[Cancelled]:
    """Cancel the pending deliveries of webhooks that get none any more."""
    return [
        cancel_pending(
            connection, command.webhook_id, reason=command.reason, now=command.now, but_seqs=command.in_flight_seqs
        )
        for command in commands
    ]


def cancel_next(
    connection: Connection, commands: Sequence[CancelNext], _sequences: Sequences
) -> list[CancelledPage | None]:
    """Cancel a page of what is left of the cancellations, in turns."""
    return [_cancel_page(connection, command) for command in commands]


def _cancel_page(connection: Connection, command: CancelNext) -> CancelledPage | None:
    this = _cancellation_behind(connection, command.after_seq) or _cancellation_behind(connection, 0)
    if this is None:
        return None
    covered = and_(_of(this.webhook_id, _excepted_by(this)), deliveries.c.seq <= this.through_seq)
    reason = CancelReason(this.reason)
    limit = min(MAX_CANCELLED_PER_COMMIT, _LATER_AT_ONCE)
    count = len(_cancel(connection, covered, reason=reason, now=this.at, limit=limit))
    _count(connection, this.webhook_id, now=this.at, count=count)
    is_over, total, same = count < limit, this.cancelled + count, cancellations.c.seq == this.seq
    if is_over:
        connection.execute(delete(cancellations).where(same))
    else:
        connection.execute(update(cancellations).where(same).values(cancelled=total))
    return CancelledPage(
        cancellation_seq=this.seq,
        webhook_id=this.webhook_id,
        team_id=this.team_id,
        reason=reason,
        count=count,
        total=total if is_over else None,
        spared_some=this.except_seqs is not None,
    )


def _cancellation_behind(connection: Connection, seq: int) -> Row[Any] | None:
    return connection.execute(_next_cancellation(), {"after_seq": seq}).first()


@cache
def _next_cancellation() -> Select[Any]:
    # One webhook's in their order: each keeps its reason and its time.
    older = cancellations.alias("older")
    is_first = ~exists().where(older.c.webhook_id == cancellations.c.webhook_id, older.c.seq < cancellations.c.seq)
    query = select(cancellations, webhooks.c.team_id).join(webhooks, webhooks.c.id == cancellations.c.webhook_id)
    query = query.where(cancellations.c.seq > bindparam("after_seq"), is_first)
    return query.order_by(cancellations.c.seq).limit(1)


def _newest_of(webhook_id: str) -> Any:
    query = select(cancellations).where(cancellations.c.webhook_id == webhook_id)
    return query.order_by(cancellations.c.seq.desc()).limit(1)


def _excepted_by(cancellation: Row[Any]) -> Sequence[int]:
    """Return the numbers of those that it spares; 0, which is no delivery's, if there are none."""
    one = () if cancellation.except_seq is None else (cancellation.except_seq,)
    return one or seqs_from_text(right("cancellations", "except_seqs", cancellation.except_seqs)) or (0,)


def _of(webhook_id: str, but_seqs: Sequence[int]) -> ColumnElement[bool]:
    of_webhook = deliveries.c.webhook_id == webhook_id
    return and_(of_webhook, deliveries.c.seq.not_in(but_seqs)) if but_seqs else of_webhook


def _cancel(
    connection: Connection, these: ColumnElement[bool], reason: CancelReason, now: int, limit: int
) -> tuple[CancelledDelivery, ...]:
    """Cancel some of these that are pending, at most `limit`: first those in order, then those that wait aside."""
    cancelled: list[CancelledDelivery] = []
    for word in PENDING_WORDS:
        found = _first(connection, and_(these, deliveries.c.status == word), limit - len(cancelled))
        seqs = [seq for seq, *_ in found]
        _cancel_these(connection, seqs, word, reason=reason, now=now)
        if word == PENDING_ASIDE:
            forget_aside(connection, seqs)
        cancelled += [CancelledDelivery(*name) for _, *name in found]
    return tuple(cancelled)


def _first(connection: Connection, these: ColumnElement[bool], limit: int) -> Sequence[Sequence[Any]]:
    """Return the number and the names of the first of these, in order, at most `limit`."""
    names = select(deliveries.c.seq, deliveries.c.id, deliveries.c.event_id, deliveries.c.event_type).where(these)
    return sorted(fetch_rows(connection, in_one_row(names.order_by(deliveries.c.seq).limit(limit)), {}))


def _cancel_these(connection: Connection, seqs: Sequence[int], word: str, *, reason: CancelReason, now: int) -> None:
    if seqs:
        # Concatenation keeps planners from going through all that is pending: there may be millions.
        these = deliveries.c.seq.in_(seqs), deliveries.c.status.concat("") == word
        connection.execute(update(deliveries).where(*these).values(**ended(reason, now)))


def _count(connection: Connection, webhook_id: str, now: int, count: int) -> None:
    if count:
        count_cancelled(connection, {(webhook_id, now): count})
