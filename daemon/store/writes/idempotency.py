"""Idempotency keys: which were used, and commands that are run once for each (contract "HTTP API")."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, insert, select, tuple_

from daemon.crypto.idempotency import former_scope
from daemon.domain.clock import DAY_MS
from daemon.domain.errors import AnsweredBefore, DaemonError, IdempotencyConflict
from daemon.domain.submission import Idempotency
from daemon.store.bulk import lock_names
from daemon.store.commands import Command, ExecuteOnce
from daemon.store.schema import idempotency_keys, kept_answers
from daemon.store.sequences import Sequences
from daemon.store.upkeep_commands import PruneIdempotencyKeys

IDEMPOTENCY_WINDOW_MS = DAY_MS

NO_RECEIPTS = "[]"

Name = tuple[str, str]  # scope and key
Apply = Callable[[Connection, Command[Any]], Any]


def first_uses(connection: Connection, used: Sequence[tuple[Idempotency, int]]) -> Mapping[Name, Row[Any]]:
    """Return the rows of those keys that were used before, each by its name; delete those that have expired.

    Nobody else uses one of them before this transaction ends.
    `used` pairs each key with the time of its use (ms).
    """
    if not used:
        return {}
    names = _names(idempotency for idempotency, _ in used)
    lock_names(connection, [f"{scope} {key}" for scope, key in names.values()])
    oldest = min(now for _, now in used) - IDEMPOTENCY_WINDOW_MS
    too_old = [delete(t).where(_named(t, names), t.c.created_at <= oldest) for t in (idempotency_keys, kept_answers)]
    if connection.execute(too_old[0]).rowcount:
        connection.execute(too_old[1])
    found = connection.execute(select(idempotency_keys).where(_named(idempotency_keys, names)))
    return {names[row.scope, row.key]: row for row in found}


@dataclass(frozen=True, slots=True)
class FirstUse:
    """The first request under a key: a digest of it, and its answer, sealed (None for events, which have receipts)."""

    fingerprint: bytes
    has_receipts: bool
    answer: str | None


def first_use(connection: Connection, idempotency: Idempotency, now: int) -> FirstUse | None:
    """Return the first use of this key within its window before `now` (ms), None if there was none."""
    names = _names([idempotency])
    lately = idempotency_keys.c.created_at > now - IDEMPOTENCY_WINDOW_MS
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
    for row in first_uses(connection, [(idempotency, once.now)]).values():
        return repeated(row.fingerprint == idempotency.fingerprint)
    answer = apply(connection, once.command)
    if isinstance(answer, Exception):
        return answer
    if (kept := once.keep(answer)) is not None:
        _keep(connection, idempotency, answer=kept, now=once.now)
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
