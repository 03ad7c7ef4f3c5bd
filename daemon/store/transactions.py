"""One batch of commands in one transaction; if one command fails, it alone fails."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeGuard

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, OperationalError

from daemon.errors import StoreUnavailable
from daemon.store import (
    accepting,
    administering,
    cancelling,
    commands,
    crediting,
    outbox,
    outcomes,
    proving,
    requeueing,
    retention,
    tallying,
    time_blocks,
)
from daemon.store.commands import Command
from daemon.store.database import Database
from daemon.store.sequences import Sequences

_Apply = Callable[[Connection, Sequence[Any], Sequences], Sequence[Any]]

APPLY: Mapping[type, _Apply] = {
    commands.AcceptEvents: accepting.accept_events,
    commands.ForgetIdempotencyKeys: accepting.forget_idempotency_keys,
    commands.ForgetWebhookHours: tallying.forget_webhook_hours,
    commands.ForgetEvents: retention.forget_events,
    commands.KeepTimeBlock: time_blocks.keep_time_blocks,
    commands.ForgetMails: retention.forget_mails,
    commands.ReleaseSpace: retention.release_space,
    commands.RecordAttempt: outcomes.record_attempts,
    commands.CreateWebhook: administering.create_webhooks,
    commands.SaveWebhook: administering.save_webhooks,
    commands.CancelPending: administering.cancel_all_pending,
    commands.CancelNext: cancelling.cancel_next,
    commands.Resend: requeueing.resend,
    commands.Recover: requeueing.recover,
    commands.CreateTeam: administering.create_teams,
    commands.SaveTeam: administering.save_teams,
    commands.AddKey: administering.add_keys,
    commands.RevokeKey: administering.revoke_keys,
    commands.GrantCredits: crediting.grant_credits,
    commands.ReadBalance: crediting.read_balances,
    commands.ProveWriting: proving.prove_writing,
    commands.MailSent: outbox.mark_sent,
    commands.MailDeferred: outbox.defer,
}


def run_batch(database: Database, batch: Sequence[Command[Any]]) -> list[Any]:
    """Run the commands in their order and commit them; return their answers, an Exception where one failed.

    Neighbours of one kind become one statement for all. When the database itself fails (full, locked, broken),
    every command gets StoreUnavailable and nothing is kept.
    """
    try:
        return _transaction(database, batch)
    except Exception as error:
        if _is_failure_of_the_database(error):
            return [StoreUnavailable(f"the database failed ({error.orig})") for _ in batch]
        if len(batch) == 1:
            return [error]
        return [run_batch(database, [command])[0] for command in batch]


def _is_failure_of_the_database(error: Exception) -> TypeGuard[DatabaseError]:
    # A damaged file is a plain DatabaseError; its other subclasses are mistakes in a command.
    return isinstance(error, OperationalError) or type(error) is DatabaseError


def _transaction(database: Database, batch: Sequence[Command[Any]]) -> list[Any]:
    connection = database.writer
    try:
        with connection.begin():
            return [answer for kind, run in _runs(batch) for answer in _apply(database, kind, run)]
    except BaseException:
        # A COMMIT that failed may leave the transaction open, though Core takes it for ended.
        connection.connection.rollback()
        raise


def _apply(database: Database, kind: type, run: Sequence[Command[Any]]) -> Sequence[Any]:
    answers = APPLY[kind](database.writer, run, database.sequences)
    database.progress.note()
    return answers


def _runs(batch: Sequence[Command[Any]]) -> Iterator[tuple[type, list[Command[Any]]]]:
    for kind, run in groupby(batch, type):
        yield kind, list(run)
