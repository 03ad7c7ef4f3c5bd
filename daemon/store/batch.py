"""One batch of commands in one transaction; if one command fails, it alone fails."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, TypeGuard

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, OperationalError

from daemon.domain.errors import StoreUnavailable
from daemon.store import commands, upkeep_commands
from daemon.store.commands import Command
from daemon.store.database import Database
from daemon.store.fan_out_commands import MakeDeliveries
from daemon.store.sequences import Sequences
from daemon.store.writes import (
    accounts,
    attempts,
    cancelling,
    counters,
    credits,
    events,
    fan_outs,
    idempotency,
    mails,
    probe,
    replays,
    retention,
    time_blocks,
    trusted_time,
)
from daemon.store.writes.commit_count import count_commit

_Apply = Callable[[Connection, Sequence[Any], Sequences], Sequence[Any]]


def _apply_one(connection: Connection, command: Command[Any], sequences: Sequences) -> Any:
    [answer] = APPLY[type(command)](connection, [command], sequences)
    return answer


APPLY: Mapping[type, _Apply] = {
    commands.ExecuteOnce: partial(idempotency.execute_once, _apply_one),
    commands.AcceptEvents: events.accept_events,
    MakeDeliveries: fan_outs.make_deliveries,
    upkeep_commands.PruneIdempotencyKeys: idempotency.prune_idempotency_keys,
    upkeep_commands.PruneWebhookHours: counters.prune_webhook_hours,
    upkeep_commands.ReadTrustedTime: trusted_time.read_trusted_time,
    upkeep_commands.SaveTrustedTime: trusted_time.save_trusted_time,
    upkeep_commands.PruneEvents: retention.prune_events,
    upkeep_commands.KeepTimeBlock: time_blocks.keep_time_blocks,
    upkeep_commands.PruneMails: retention.prune_mails,
    upkeep_commands.ReleaseSpace: retention.release_space,
    commands.RecordAttempt: attempts.record_attempts,
    commands.CreateWebhook: accounts.create_webhooks,
    commands.SaveWebhook: accounts.save_webhooks,
    commands.CancelPending: accounts.cancel_all_pending,
    commands.CancelNext: cancelling.cancel_next,
    commands.Resend: replays.resend,
    commands.Recover: replays.recover,
    commands.CreateTeam: accounts.create_teams,
    commands.SaveTeam: accounts.save_teams,
    commands.AddKey: accounts.add_keys,
    commands.RevokeKey: accounts.revoke_keys,
    commands.EndSession: accounts.end_sessions,
    commands.GrantCredits: credits.grant_credits,
    commands.ReadBalance: credits.read_balances,
    commands.ProveWriting: probe.prove_writing,
    commands.MailSent: mails.mark_sent,
    commands.MailDeferred: mails.defer,
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
            before = database.rows_written
            answers = [answer for kind, run in _runs(batch) for answer in _apply(database, kind, run)]
            commit = count_commit(connection, database.sequences) if database.rows_written > before else None
    except BaseException:
        # A COMMIT that failed may leave the transaction open, though Core takes it for ended.
        connection.connection.rollback()
        raise
    if commit is not None:
        database.commits.note(commit)  # after COMMIT, before anybody is answered
    return answers


def _apply(database: Database, kind: type, run: Sequence[Command[Any]]) -> Sequence[Any]:
    answers = APPLY[kind](database.writer, run, database.sequences)
    database.progress.note()
    return answers


def _runs(batch: Sequence[Command[Any]]) -> Iterator[tuple[type, list[Command[Any]]]]:
    for kind, run in groupby(batch, type):
        yield kind, list(run)
