"""Idempotency keys: which were used, and commands that are run once for each (contract "HTTP API")."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, func, insert, select, tuple_

from daemon.crypto.idempotency import former_scope
from daemon.domain.clock import DAY_MS, MINUTE_MS
from daemon.domain.errors import AnsweredBefore, DaemonError, IdempotencyConflict
from daemon.domain.submission import Idempotency
from daemon.store.bulk import lock_names
from daemon.store.commands import Command, ExecuteOnce
from daemon.store.schema import daemon_state, idempotency_keys, kept_answers
from daemon.store.sequences import Sequences
from daemon.store.upkeep_commands import PruneIdempotencyKeys

# How long a key is known: 24 hours, and what the trusted time may be late.
IDEMPOTENCY_WINDOW_MS = DAY_MS + 15 * MINUTE_MS

NO_RECEIPTS = "[]"

Name = tuple[str, str]  # scope and key
Apply = Callable[[Connection, Command[Any]], Any]


@dataclass(frozen=True, slots=True)
class FirstUses:
    """The rows of keys that were used before, each by its name, and the last time that was plausible (ms).

    A key must not be forgotten early because this clock is ahead, or was behind when the key was used: its age is
    counted from plausible times (`daemon.domain.trusted_time`).
    """

    rows: Mapping[Name, Row[Any]] = field(default_factory=dict)
    trusted_time: int = 0

    def time_of_use(self, now: int) -> int:
        """Return when a key counts as used that is used now."""
        return max(now, self.trusted_time)


def first_uses(connection: Connection, used: Sequence[Idempotency]) -> FirstUses:
    """Return which of these keys were used before; delete those that have expired.

    Nobody else uses one of them before this transaction ends.
    """
    if not used:
        return FirstUses()
    names = _names(used)
    lock_names(connection, [f"{scope} {key}" for scope, key in names.values()])
    trusted_time = int(connection.execute(_TRUSTED_TIME).scalar_one())
    found = connection.execute(select(idempotency_keys).where(_named(idempotency_keys, names))).all()
    expired = [(row.scope, row.key) for row in found if row.created_at <= trusted_time - IDEMPOTENCY_WINDOW_MS]
    for table in (idempotency_keys, kept_answers) if expired else ():
        connection.execute(delete(table).where(tuple_(table.c.scope, table.c.key).in_(expired)))
    rows = {names[row.scope, row.key]: row for row in found if (row.scope, row.key) not in expired}
    return FirstUses(rows, trusted_time)


_TRUSTED_TIME = select(func.coalesce(daemon_state.c.trusted_time, 0)).where(daemon_state.c.id == 1)


@dataclass(frozen=True, slots=True)
class FirstUse:
    """The first request under a key: a digest of it, and its answer, sealed (None for events, which have receipts)."""

    fingerprint: bytes
    has_receipts: bool
    answer: str | None


def first_use(connection: Connection, idempotency: Idempotency) -> FirstUse | None:
    """Return the first use of this key within its window, None if there was none."""
    names = _names([idempotency])
    lately = idempotency_keys.c.created_at > _TRUSTED_TIME.scalar_subquery() - IDEMPOTENCY_WINDOW_MS
    same = (kept_answers.c.scope == idempotency_keys.c.scope) & (kept_answers.c.key == idempotency_keys.c.key)
    query = select(idempotency_keys, kept_answers.c.answer).outerjoin_from(idempotency_keys, kept_answers, same)
    row = connection.execute(query.where(_named(idempotency_keys, names), lately)).first()
    return None if row is None else FirstUse(row.fingerprint, row.receipts != NO_RECEIPTS, row.answer)


def execute_once(apply: Apply, connection: Connection, commands: Sequence[ExecuteOnce[Any]]) -> list[Any]:
    """Run each command by `apply` unless its key was used, and keep its answer."""
    return [_execute_once(apply, connection, command) for command in commands]


def prune_idempotency_keys(
    connection: Connection, commands: Sequence[PruneIdempotencyKeys], _sequences: Sequences
) -> list[int]:
    """Delete keys that are older than their window with their answers, a bounded number for each command."""
    return [_prune(connection, command) for command in commands]


def _prune(connection: Connection, command: PruneIdempotencyKeys) -> int:
    return max(_prune_from(connection, table, command) for table in (kept_answers, idempotency_keys))


def _prune_from(connection: Connection, table: Table, command: PruneIdempotencyKeys) -> int:
    old = select(table.c.scope, table.c.key).where(table.c.created_at < command.before).order_by(table.c.created_at)
    name = tuple_(table.c.scope, table.c.key)
    return connection.execute(delete(table).where(name.in_(old.limit(command.limit)))).rowcount


def _execute_once(apply: Apply, connection: Connection, once: ExecuteOnce[Any]) -> Any:
    idempotency = once.idempotency
    first = first_uses(connection, [idempotency])
    for row in first.rows.values():
        return repeated(row.fingerprint == idempotency.fingerprint)
    answer = apply(connection, once.command)
    if isinstance(answer, Exception):
        return answer
    if (kept := once.keep(answer)) is not None:
        _keep(connection, idempotency, answer=kept, now=first.time_of_use(once.now))
    return answer


def repeated(is_same: bool) -> DaemonError:
    """Return the refusal of a key that was used before, with the same request or with another one."""
    if is_same:
        return AnsweredBefore("this request was already carried out: its first answer applies")
    return key_conflict()


def key_conflict() -> IdempotencyConflict:
    """Return the refusal of a key that was already used with another request."""
    return IdempotencyConflict("this Idempotency-Key was used with another request within 24 h: use a new one")


def _keep(connection: Connection, idempotency: Idempotency, answer: str, now: int) -> None:
    name = {"scope": idempotency.scope, "key": idempotency.key, "created_at": now}
    connection.execute(
        insert(idempotency_keys), {**name, "fingerprint": idempotency.fingerprint, "receipts": NO_RECEIPTS}
    )
    connection.execute(insert(kept_answers), {**name, "answer": answer})


def _names(used: Iterable[Idempotency]) -> dict[Name, Name]:
    """Map every name a key may be stored under to its current name."""
    names: dict[Name, Name] = {}
    for idempotency in used:
        name = (idempotency.scope, idempotency.key)
        names[name] = name
        if (former := former_scope(idempotency.scope)) is not None:
            names[former, idempotency.key] = name
    return names


def _named(table: Table, names: Mapping[Name, Name]) -> ColumnElement[bool]:
    return tuple_(table.c.scope, table.c.key).in_(list(names))
