"""Having all nodes seal with another key, and sealing anew what the former one sealed, while they run.

Each function is the work of one short transaction, in which `in_transaction` runs it.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection, Engine, delete, or_, select, text, update
from sqlalchemy.exc import DatabaseError

from daemon.crypto.idempotency import answer_id
from daemon.domain.printable import in_one_line
from daemon.domain.submission import Idempotency
from daemon.store.engine import DatabaseAway
from daemon.store.nodes import Change, Kind
from daemon.store.postgresql.admission import keep_out
from daemon.store.postgresql.feed import publish
from daemon.store.postgresql.lives import END_OPEN, HAS_LEASE, IS_OPEN
from daemon.store.postgresql.schema import cluster
from daemon.store.schema import kept_answers, webhooks

_AT_ONCE = 200

Result = TypeVar("Result")


def in_transaction(engine: Engine, work: Callable[[Connection], Result]) -> Result:
    """Run this in a transaction of its own. Raises DatabaseAway."""
    try:
        with engine.begin() as connection:
            return work(connection)
    except DatabaseError as error:
        raise DatabaseAway(f"the database failed ({in_one_line(error.orig)}): run this again") from None


def seal_with(connection: Connection, fingerprint: str) -> Sequence[str]:
    """Have every node seal with this key, unless living ones do not have it: then return their names.

    Those whose lease is over are ended. Who joins later has to have it (`daemon.store.postgresql.admission`).
    """
    keep_out(connection)
    values = {"key": fingerprint}
    if lacking := list(connection.execute(_LACKING, values).scalars()):
        return lacking
    connection.execute(_END_LACKING, values)
    connection.execute(update(cluster).values(key_fingerprint=fingerprint))
    publish(connection, [Change(Kind.SEALING, "", fingerprint)])
    return ()


def not_yet_sealing(connection: Connection, fingerprint: str) -> Sequence[str]:
    """Return the names of the living nodes that have not said that they seal with this key.

    Those whose lease is over are ended, so that nothing more comes of what they sealed.
    """
    values = {"key": fingerprint}
    connection.execute(_END_OTHERWISE_SEALING, values)
    return list(connection.execute(_OTHERWISE_SEALING, values).scalars())


def reseal_some(connection: Connection, seal: str, reseal: Callable[[str, str], str]) -> int:
    """Seal some of the secrets anew that do not begin with `seal`; return of how many webhooks, 0 if there are no more.

    What a node has changed meanwhile stays as it is: it is found again.
    """
    columns = (webhooks.c.secret, webhooks.c.previous_secret)
    others = or_(*(column.not_like(f"{seal}%") for column in columns))
    found = connection.execute(select(webhooks.c.id, *columns).where(others).limit(_AT_ONCE)).all()
    for webhook_id, *sealed in found:
        for column, one in zip(columns, sealed, strict=True):
            if one is not None:
                this = (webhooks.c.id == webhook_id) & (column == one)
                connection.execute(update(webhooks).where(this).values({column.name: reseal(one, webhook_id)}))
    return len(found)


def reseal_some_answers(connection: Connection, seal: str, reseal: Callable[[str, str], str | None]) -> int:
    """Do the same to answers that are kept for idempotency keys; one that cannot be opened is deleted."""
    columns = (kept_answers.c.scope, kept_answers.c.key, kept_answers.c.answer)
    found = connection.execute(select(*columns).where(kept_answers.c.answer.not_like(f"{seal}%")).limit(_AT_ONCE)).all()
    for scope, key, answer in found:
        this = (kept_answers.c.scope == scope) & (kept_answers.c.key == key) & (kept_answers.c.answer == answer)
        resealed = reseal(answer, answer_id(Idempotency(scope, key, b"")))
        if resealed is None:
            connection.execute(delete(kept_answers).where(this))
        else:
            connection.execute(update(kept_answers).where(this).values(answer=resealed))
    return len(found)


_LACKS = "NOT jsonb_exists(coalesce(report #> '{terms,keys}', '[]'), :key)"
_SEALS_OTHERWISE = "report ->> 'sealing' IS DISTINCT FROM :key"
_LACKING = text(f"SELECT name FROM nodes WHERE {IS_OPEN} AND {HAS_LEASE} AND {_LACKS} ORDER BY node")
_END_LACKING = text(f"{END_OPEN} AND {_LACKS}")
_OTHERWISE_SEALING = text(f"SELECT name FROM nodes WHERE {IS_OPEN} AND {_SEALS_OTHERWISE} ORDER BY node")
_END_OTHERWISE_SEALING = text(f"{END_OPEN} AND {_SEALS_OTHERWISE} AND NOT {HAS_LEASE}")
