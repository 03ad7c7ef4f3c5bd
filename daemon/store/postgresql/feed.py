"""What all nodes keep in memory, and how each learns that another one changed it (architecture "Nodes").

`cluster.version` counts the changes; `feed` says what each was. Both change in the transaction of the change itself:
the row of `cluster` is locked until its COMMIT, so versions become visible in order, without gaps.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select, text

from daemon.domain.event_types import EventType
from daemon.domain.model import Webhook
from daemon.store import channels, commands, rows
from daemon.store.cancel_commands import CancelPending
from daemon.store.commands import Command, EndSession
from daemon.store.erasure_commands import EraseEvent
from daemon.store.event_type_commands import AddEventType, AddEventTypeVersion, RemoveEventType, SaveEventType
from daemon.store.fan_out_commands import MakeDeliveries
from daemon.store.job_commands import AddBulkJob
from daemon.store.nodes import Change, Kind, KnownKey, News, PruneFeed
from daemon.store.postgresql.schema import cluster, feed
from daemon.store.reads import event_type_reads
from daemon.store.request_commands import AnswerRequest
from daemon.store.schema import api_keys, ended_sessions, webhooks
from daemon.store.sequences import Sequences

_MOST_AT_ONCE = 1_000
_VERSION = select(cluster.c.version)
_PUBLISH = text(
    "WITH new AS (UPDATE cluster SET version = version + :count RETURNING version)"
    " INSERT INTO feed (version, kind, team_id, id)"
    " SELECT new.version - :count + given.place, given.kind, given.team_id, given.id FROM new,"
    " unnest(CAST(:kinds AS text[]), CAST(:team_ids AS text[]), CAST(:ids AS text[]))"
    " WITH ORDINALITY AS given(kind, team_id, id, place)"
)
_NOTIFY = select(func.pg_notify(channels.FEED, ""))
_PRUNE = (
    # Not the newest: a node that follows asks for what is behind its version.
    text(
        "DELETE FROM feed WHERE version IN (SELECT version FROM feed WHERE at < clock_timestamp() - interval '1 hour'"
        " AND version < (SELECT version FROM cluster) ORDER BY version LIMIT :limit)"
    ),
    text(
        "DELETE FROM leases WHERE node IN (SELECT node FROM nodes"
        " WHERE ended_at < clock_timestamp() - interval '1 week' ORDER BY node LIMIT :limit)"
    ),
    text(
        "DELETE FROM nodes WHERE node IN (SELECT node FROM nodes"
        " WHERE ended_at < clock_timestamp() - interval '1 week' ORDER BY node LIMIT :limit)"
    ),
)


def version(connection: Connection) -> int:
    """Return the version as of this snapshot."""
    return int(connection.execute(_VERSION).scalar_one())


def news_since(connection: Connection, since: int) -> News:
    """Return what has changed after this version, a part of it if that is much, as this snapshot has it."""
    query = select(feed).where(feed.c.version > since).order_by(feed.c.version).limit(_MOST_AT_ONCE)
    found = connection.execute(query).all()
    last = found[-1].version if found else since
    is_complete = (found[0].version if found else version(connection) + 1) == since + 1
    changes = {Change(row.kind, row.team_id, row.id) for row in found}
    ids = {kind: [change.id for change in changes if change.kind == kind] for kind in Kind}
    return News(
        version=last,
        is_complete=is_complete,
        webhooks=_webhooks(connection, ids[Kind.WEBHOOK]),
        team_ids=tuple(ids[Kind.TEAM]),
        keys=_keys(connection, ids[Kind.KEY]),
        sessions=_sessions(connection, ids[Kind.SESSION]),
        credits=tuple(change.team_id for change in changes if change.kind == Kind.CREDITS),
        fan_outs=tuple(change.team_id for change in changes if change.kind == Kind.FAN_OUT),
        bulk_jobs=tuple(ids[Kind.BULK_JOB]),
        erasures=tuple(ids[Kind.ERASURE]),
        event_types=_event_types(connection, ids[Kind.EVENT_TYPE]),
        sealing=next((row.id for row in reversed(found) if row.kind == Kind.SEALING), None),
    )


def _webhooks(connection: Connection, ids: Sequence[str]) -> tuple[Webhook, ...]:
    found = connection.execute(select(webhooks).where(webhooks.c.id.in_(ids))) if ids else ()
    return tuple(map(rows.webhook, found))


def _keys(connection: Connection, ids: Sequence[str]) -> tuple[KnownKey, ...]:
    found = connection.execute(select(api_keys).where(api_keys.c.id.in_(ids))) if ids else ()
    return tuple(KnownKey(row.digest, rows.api_key(row)) for row in found)


def _sessions(connection: Connection, ids: Sequence[str]) -> tuple[EndSession, ...]:
    found = connection.execute(select(ended_sessions).where(ended_sessions.c.id.in_(ids))) if ids else ()
    return tuple(EndSession(row.id, row.key_id, expires_at=row.expires_at, now=0) for row in found)


def _event_types(connection: Connection, names: Sequence[str]) -> dict[str, EventType | None]:
    found = event_type_reads.types_named(connection, names) if names else ()
    return {**dict.fromkeys(names), **{event_type.name: event_type for event_type in found}}


def publish(connection: Connection, changes: Sequence[Change]) -> None:
    """Add changes to the feed, in their transaction."""
    if changes:
        values = {
            "count": len(changes),
            "kinds": [change.kind.value for change in changes],
            "team_ids": [change.team_id for change in changes],
            "ids": [change.id for change in changes],
        }
        connection.execute(_PUBLISH, values)
        # Inside of the transaction: such changes are rare, and are told of with the COMMIT.
        connection.execute(_NOTIFY)


def prune_feed(connection: Connection, commands: Sequence[PruneFeed], _sequences: Sequences) -> list[int]:
    """Delete what every living node has followed, since leases are far shorter than its age; and old lives."""
    return [_prune(connection, command.limit) for command in commands]


def _prune(connection: Connection, limit: int) -> int:
    return max(connection.execute(statement, {"limit": limit}).rowcount for statement in _PRUNE)


def changes_of_all(batch: Sequence[Command[Any]], answers: Sequence[Any]) -> list[Change]:
    """Return what these commands changed of what nodes keep in memory."""
    return [
        change
        for command, answer in zip(batch, answers, strict=True)
        if not isinstance(answer, Exception)
        for change in changes_of(command, answer)
    ]


def changes_of(command: Command[Any], answer: Any) -> Sequence[Change]:
    """Return what a command changed of what nodes keep in memory."""
    match command:
        case commands.CreateWebhook() | commands.SaveWebhook():
            return [Change(Kind.WEBHOOK, command.webhook.team_id, command.webhook.id)]
        case AnswerRequest():
            return changes_of(command.command, answer)
        case commands.CreateTeam():
            return [Change(Kind.TEAM, command.team.id, command.team.id)]
        case commands.AddKey():
            return [Change(Kind.KEY, command.key.team_id, command.key.id)]
        case commands.RevokeKey():
            return [Change(Kind.KEY, "", command.key_id)]
        case AddBulkJob():
            return [Change(Kind.BULK_JOB, command.job.team_id, command.job.id)]
        case commands.EndSession():
            return [Change(Kind.SESSION, "", command.session_id)]
        case commands.GrantCredits():
            return [Change(Kind.CREDITS, command.team_id)]
        case _:
            return _changes_by_answer(command, answer)


def _changes_by_answer(command: Command[Any], answer: Any) -> Sequence[Change]:
    """Return the same of commands that change such things now and then."""
    match command:
        case commands.RecordAttempt():
            # The node that sends mails, and submits what operational webhooks are told, learns of them.
            tells = command.verdict.disable or answer.mails or answer.told
            return [Change(Kind.WEBHOOK, command.team_id, command.webhook_id)] if tells else ()
        case EraseEvent():
            return [Change(Kind.ERASURE, command.team_id, command.event_id)] if answer else ()
        case CancelPending():
            return [Change(Kind.WEBHOOK, "", command.webhook_id)] if answer.more else ()
        case commands.AcceptEvents():
            return [Change(Kind.FAN_OUT, one.team_id) for one in answer.fan_outs]
        case AddEventType():
            return [Change(Kind.EVENT_TYPE, "", command.event_type.name)]
        case SaveEventType() | AddEventTypeVersion() | RemoveEventType():
            return [Change(Kind.EVENT_TYPE, "", command.name)] if answer else ()
        case MakeDeliveries():
            return [Change(Kind.FAN_OUT, command.team_id)] if answer.next_first_seq is None else ()
        case _:
            return ()
