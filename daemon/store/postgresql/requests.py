"""Changes to webhooks that one node asks of another: their rows, and answering each once.

Theory of operation
~~~~~~~~~~~~~~~~~~~

A request is a row of `requests`. It is open until `answered_at` is set, or `deadline_at` is over by the database's
clock. Whoever answers it locks the row, finds it open, and in the same transaction changes the webhook and sets the
answer: there is no other way to carry it out. So each request is carried out at most once, whatever dies when:

- *Before the commit* nothing has happened: the row is open, and who owns the webhook next finds it.
- *After the commit, before anybody was told*, the answer is in the row: the asking node looks each second.
- *The owner changes in between*: a node that lost the webhook either commits before its life is ended, then the next
  owner reads the webhook as changed and the request as answered; or its transaction ends at the fence, undone.
- *The asking node dies*: the request is carried out all the same, or it is too late. Its idempotency key is kept with
  the change, so that a repetition does nothing again.
- *The asking node gave up*: it withdraws the request, so that it is not carried out later; if it cannot, the deadline
  ends it.

A row that another transaction has locked is skipped, never waited for: it is being answered just now. So no two
transactions of nodes wait for each other because of requests.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.json import encode
from sqlalchemy import Connection, Row, text

from daemon.domain.errors import DaemonError, RequestOver
from daemon.domain.submission import Idempotency
from daemon.store.bulk import InsertRows, execute_rows
from daemon.store.commands import Audited, Cancelled, SaveWebhook
from daemon.store.expiry_commands import CancelForEvent
from daemon.store.job_commands import CancelForJob
from daemon.store.request_commands import (
    ANSWERS,
    ENTRIES,
    IDEMPOTENCIES,
    AnswerRequest,
    AskRequest,
    Changed,
    KeepAnswer,
    OpenRequest,
    PruneRequests,
    Refused,
    RequestAnswer,
    SettleRequest,
    WithdrawRequest,
    asked_to_json,
)
from daemon.store.schema import idempotency_keys, kept_answers
from daemon.store.sequences import Sequences
from daemon.store.writes.audit import execute_audited
from daemon.store.writes.bulk_jobs import cancel_for_jobs
from daemon.store.writes.cancelling_some import cancel_for_events
from daemon.store.writes.idempotency import NO_RECEIPTS, first_uses, repeated
from daemon.store.writes.webhooks import save_webhooks

Place = tuple[datetime, str]  # a deadline and an id: the oldest request comes first
START: Place = (datetime.fromtimestamp(0, UTC), "")

_ASK = text(
    "INSERT INTO requests (id, webhook_id, change, idempotency, entry, asked_by, deadline_at)"
    " VALUES (:id, :webhook_id, CAST(:change AS jsonb), CAST(:idempotency AS jsonb), CAST(:entry AS jsonb), :asked_by,"
    " clock_timestamp() + make_interval(secs => :secs))"
)
_OPEN = text(
    "SELECT deadline_at, id, webhook_id, change::text AS change, idempotency::text AS idempotency,"
    " entry::text AS entry FROM requests"
    " WHERE answered_at IS NULL AND deadline_at > statement_timestamp() AND (deadline_at, id) > (:at, :id)"
    " ORDER BY deadline_at, id LIMIT :limit"
)
_LOCK = text(
    "SELECT id FROM requests WHERE id = :id AND answered_at IS NULL AND deadline_at > clock_timestamp()"
    " FOR UPDATE SKIP LOCKED"
)
_LOCK_UNANSWERED = text("SELECT id FROM requests WHERE id = :id AND answered_at IS NULL FOR UPDATE SKIP LOCKED")
# The change is not needed any more, and may hold a secret.
_ANSWER = text(
    "UPDATE requests SET answered_at = clock_timestamp(), answer = CAST(:answer AS jsonb), change = '{}' WHERE id = :id"
)
_READ_ANSWER = text("SELECT answer::text FROM requests WHERE id = :id")
# A request is answered before its deadline: this one index finds both what is open and what is old.
_PRUNE = text(
    "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE deadline_at < statement_timestamp() - "
    " interval '1 hour' ORDER BY deadline_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
)
_ADD_KEYS = InsertRows(idempotency_keys, ("scope", "key", "fingerprint", "receipts", "created_at"), skip_existing=True)
_ADD_ANSWERS = InsertRows(kept_answers, ("scope", "key", "answer", "created_at"), skip_existing=True)


def open_requests(connection: Connection, behind: Place, limit: int) -> tuple[Sequence[OpenRequest], Place | None]:
    """Return the next open requests behind a place, oldest first, and the place to go on from (None: that was all)."""
    rows = connection.execute(_OPEN, {"at": behind[0], "id": behind[1], "limit": limit}).all()
    return [_open(row) for row in rows], (rows[-1].deadline_at, rows[-1].id) if len(rows) == limit else None


def answer_of(connection: Connection, request_id: str) -> RequestAnswer | None:
    """Return what a request was answered, None as long as it is not."""
    answer = connection.execute(_READ_ANSWER, {"id": request_id}).scalar()
    return None if answer is None else ANSWERS.decode(answer)


def ask_requests(connection: Connection, commands: Sequence[AskRequest], _sequences: Sequences) -> list[None]:
    """Keep new requests."""
    connection.execute(_ASK, [_asked(command) for command in commands])
    return [None] * len(commands)


def answer_requests(
    connection: Connection, commands: Sequence[AnswerRequest], sequences: Sequences
) -> list[Cancelled | DaemonError]:
    """Carry requests out and answer them, each once (theory of operation above)."""
    return [_answer(connection, command, sequences) for command in commands]


def settle_requests(connection: Connection, commands: Sequence[SettleRequest], _sequences: Sequences) -> list[None]:
    """Answer requests without a change."""
    for command in commands:
        if _is_locked(connection, command.request_id):
            _record(connection, command.request_id, command.answer)
    return [None] * len(commands)


def withdraw_requests(
    connection: Connection, commands: Sequence[WithdrawRequest], _sequences: Sequences
) -> list[RequestAnswer | None]:
    """Withdraw requests: they count as answered, with nothing."""
    return [_withdraw(connection, command.request_id) for command in commands]


def keep_answers(connection: Connection, commands: Sequence[KeepAnswer], _sequences: Sequences) -> list[None]:
    """Keep answers for repetitions."""
    rows = [(one.idempotency.scope, one.idempotency.key, one.answer, one.now) for one in commands]
    execute_rows(connection, _ADD_ANSWERS, rows)
    return [None] * len(commands)


def prune_requests(connection: Connection, commands: Sequence[PruneRequests], _sequences: Sequences) -> list[int]:
    """Delete old requests, a bounded number for each command."""
    return [connection.execute(_PRUNE, {"limit": command.limit}).rowcount for command in commands]


def _answer(connection: Connection, command: AnswerRequest, sequences: Sequences) -> Cancelled | DaemonError:
    if connection.execute(_LOCK, {"id": command.request_id}).first() is None:
        return RequestOver("the request was answered already, or is too late")
    # Before anything is changed: what the command does cannot be undone without the others of its transaction.
    if command.idempotency is not None and (error := _take_key(connection, command.idempotency, command.now)):
        _record(connection, command.request_id, refusal(error))
        return error
    [cancelled] = _save(connection, command, sequences)
    _record(connection, command.request_id, Changed(command.command.webhook))
    return cancelled


def _save(connection: Connection, command: AnswerRequest, sequences: Sequences) -> list[Cancelled]:
    if isinstance(command.command, CancelForJob):
        return cancel_for_jobs(connection, [command.command], sequences)
    if isinstance(command.command, CancelForEvent):
        return cancel_for_events(connection, [command.command], sequences)
    if command.entry is None:
        return save_webhooks(connection, [command.command], sequences)

    def save(_: Connection, command: SaveWebhook) -> Cancelled:
        [cancelled] = save_webhooks(connection, [command], sequences)
        return cancelled

    return execute_audited(save, connection, [Audited(command.command, command.entry)])


def refusal(error: DaemonError) -> Refused:
    """Return the answer of a request that is refused for this reason."""
    return Refused(type(error).__name__, str(error))


def _take_key(connection: Connection, idempotency: Idempotency, now: int) -> DaemonError | None:
    """Keep a key as used; return why not, if it was used before. Another transaction that takes it is waited for."""
    used = first_uses(connection, [idempotency])
    at = used.time_of_use(now)
    row = (idempotency.scope, idempotency.key, idempotency.fingerprint, NO_RECEIPTS, at)
    if not used.rows and not execute_rows(connection, _ADD_KEYS, [row]):
        used = first_uses(connection, [idempotency])
    for first in used.rows.values():
        return repeated(first.fingerprint == idempotency.fingerprint)
    return None


def _withdraw(connection: Connection, request_id: str) -> RequestAnswer | None:
    if _is_locked(connection, request_id):
        _record(connection, request_id, None)
    return answer_of(connection, request_id)


def _is_locked(connection: Connection, request_id: str) -> bool:
    return connection.execute(_LOCK_UNANSWERED, {"id": request_id}).first() is not None


def _record(connection: Connection, request_id: str, answer: RequestAnswer | None) -> None:
    written = None if answer is None else encode(answer).decode()
    connection.execute(_ANSWER, {"id": request_id, "answer": written})


def _asked(command: AskRequest) -> dict[str, object]:
    key = command.idempotency
    return {
        "id": command.request_id,
        "webhook_id": command.webhook_id,
        "change": asked_to_json(command.change),
        "idempotency": None if key is None else encode(key).decode(),
        "entry": None if command.entry is None else encode(command.entry).decode(),
        "asked_by": command.asked_by,
        "secs": command.within_s,
    }


def _open(row: Row[Any]) -> OpenRequest:
    entry = None if row.entry is None else ENTRIES.decode(row.entry)
    return OpenRequest(row.id, row.webhook_id, change=row.change, idempotency=_key(row.idempotency), entry=entry)


def _key(written: str | None) -> Idempotency | None:
    return None if written is None else IDEMPOTENCIES.decode(written)
