"""A database as large as wanted, and every command and query of the store on it, with what each costs."""

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from msgspec import structs
from sqlalchemy import Connection

from daemon.domain.bulk_jobs import BulkAction
from daemon.domain.clock import DAY_MS, HOUR_MS
from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.event_types import MOST_TYPES, EventTypeEdit
from daemon.domain.lifecycle import Verdict
from daemon.domain.model import ApiKey, CancelReason, DeliveryStatus, OutcomeKind, TeamEdit, Work
from daemon.domain.operations import OperationalType
from daemon.domain.search import read_wanted
from daemon.domain.statistics import StatisticsRange
from daemon.domain.submission import Idempotency
from daemon.maintenance.state_dir import DATABASE
from daemon.store import (
    address_commands,
    aside_commands,
    cancel_commands,
    commands,
    erasure_commands,
    event_type_commands,
    expiry_commands,
    job_commands,
    upkeep_commands,
)
from daemon.store.address_commands import AskForAddress, ConfirmAddress, RemoveAddress
from daemon.store.aside_commands import SetAside, TakeBack
from daemon.store.cancel_commands import CancelNext, CancelPending
from daemon.store.commands import Command
from daemon.store.erasure_commands import EraseAnswers, EraseEvent
from daemon.store.event_type_commands import AddEventType, AddEventTypeVersion, RemoveEventType, SaveEventType
from daemon.store.expiry_commands import CancelForEvent, ForgetExpiries
from daemon.store.job_commands import AddBulkJob, CancelForJob, EndBulkJob, MoveBulkJob
from daemon.store.reads import (
    actor_reads,
    api_reads,
    aside_reads,
    bulk_job_reads,
    console_reads,
    delivery_reads,
    erasure_reads,
    event_reads,
    event_type_reads,
    expiry_reads,
    gauge_reads,
    missed_reads,
    search_reads,
    statistics_reads,
    time_blocks,
)
from daemon.store.reads.time_blocks import TIMES, SeqRange, next_time_block
from daemon.store.sqlite.database import Database, open_database
from daemon.store.writes.batch import apply_one
from tests.store.filling import (
    NOW,
    a_bulk_job,
    a_pending_address,
    a_portal_link,
    a_team,
    a_webhook,
    accepting,
    an_audit_entry,
    an_event_type,
    found,
    recording,
    run,
)
from tests.support.backlog import fill_backlog

TEAM, WEBHOOK, OTHER = "team_1", "wh_1", "wh_2"
_EVERY = 100  # steps of SQLite's virtual machine
_OLD = NOW - 40 * DAY_MS
_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
_SMALLER = (
    "INSERT INTO idempotency_keys SELECT 'operator', 'key_' || i, x'00', '[]', 1 FROM n",
    "INSERT INTO webhook_hours SELECT i, 'wh_1', 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 FROM n",
    "INSERT INTO webhook_errors SELECT i, 'wh_1', 'http_error', 500, 1 FROM n",
    "INSERT INTO audit_entries SELECT i, 'aud_x' || i, 'team_1', 1, 'operator', 'n', NULL, 'team.changed', 'team_1', "
    "'{}' FROM n WHERE i <= 10000",
    # Half of the mails wait.
    "INSERT INTO mails SELECT i, 'mail_' || i, 'team_1', 'wh_1', 'n', 'u', 1, '[]', '[]', 1, 0, 1, "
    "CASE i % 2 WHEN 0 THEN 1 END, NULL, 'webhook_disabled', NULL FROM n",
    "INSERT INTO operational_events SELECT i, 'credits.low.crd_' || i, 'team_1', 'credits.low', 'team_1', NULL, '{}', "
    "1 FROM n",
    # As many as there may be but one, each with a long schema.
    "INSERT INTO event_types SELECT 'type.x' || i, 'd', 'c', '{}', 0, 1, NULL, NULL, 1, 1 FROM n "
    f"WHERE i < {MOST_TYPES}",
    "INSERT INTO event_type_versions SELECT 'type.x' || i, 1, json_object('title', hex(zeroblob(15000))), 1 FROM n "
    f"WHERE i < {MOST_TYPES}",
    "INSERT INTO portal_links SELECT i, 'plk_x' || i, 'team_1', CAST(i AS BLOB), 1, i, 0, 1, NULL, NULL, NULL FROM n",
    # As many as teams that all ask as often as they may, in three days.
    "INSERT INTO address_confirmations SELECT i, 'mail_x' || i, 'team_x' || i, 'a@b.c', 'a' || i % 1000 || '@b.c', "
    "CAST(i AS BLOB), 1, i, NULL FROM n",
    "INSERT INTO address_confirmations SELECT 1000000000, 'mail_open', 'team_1', 'new@example.com', 'new@example.com', "
    f"CAST('digest of a mail' AS BLOB), 1, {NOW + 1}, NULL FROM n WHERE i = 1",
    "INSERT INTO bulk_jobs SELECT i, 'job_x' || i, 'team_' || (1 + i % 1000), 'cancel', '{}', 0, NULL, 1000000000, "
    "CASE WHEN i < 5000 THEN 'running' ELSE 'finished' END, NULL, 0, 0, 1, NULL, 'key_1', 'n' FROM n WHERE i <= 100000",
    "INSERT INTO erasures SELECT i, 'evt_x' || i, 'team_1', 0 FROM n",
    # Half of those that wait aside are due, half of them count from a time that is to come.
    f"INSERT INTO set_aside SELECT i + 1000000000, 'wh_x' || i % 1000, {NOW} + i % 1000 - 500, "
    f"CASE i % 2 WHEN 0 THEN {NOW} + i % 7 END FROM n",
    f"INSERT INTO expiries SELECT i + 1000000000, 'wh_x' || i % 1000, {NOW} + i % 1000 - 500 FROM n",
    "INSERT INTO ended_sessions SELECT 's_' || i, 'key_x' || i, 1 FROM n",
    "INSERT INTO teams SELECT i + 9, 'team_x' || i, 'n', '[]', 0, 1, NULL, NULL, NULL FROM n WHERE i <= 100000",
    "INSERT INTO api_keys SELECT i + 9, 'key_x' || i, 'team_x' || i, 'n', CAST(i AS BLOB), 1, NULL, 'admin', NULL "
    "FROM n WHERE i <= 100000",
    "INSERT INTO webhooks (seq, id, team_id, name, url, events, active, consecutive_failures, created_at, updated_at) "
    "SELECT i + 9, 'wh_x' || i, 'team_x' || i, 'n', 'u', '[\"*\"]', 1, 0, 1, 1 FROM n WHERE i <= 100000",
    # A webhook of which each hour has many kinds of errors.
    f"INSERT INTO webhook_hours SELECT {NOW - NOW % HOUR_MS} - i * {HOUR_MS}, 'wh_busy', "
    "1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 FROM n WHERE i < 720",
    f"INSERT INTO webhook_errors SELECT {NOW - NOW % HOUR_MS} - i / 20 * {HOUR_MS}, 'wh_busy', 'http_error', "
    "500 + i % 20, 1 FROM n WHERE i < 14400",
    # All that is pending for one of the two webhooks is to be cancelled.
    "INSERT INTO cancellations SELECT 1, 'wh_2', (SELECT max(seq) FROM deliveries), NULL, 'webhook_disabled', 1, 0, "
    "NULL FROM n WHERE i = 1",
)


def build(directory: Path, count: int) -> Database:
    """Make a database of `count` pending deliveries of two webhooks of a team, most of them old, and as much else."""
    path = directory / DATABASE
    database = open_database(path)
    found(database)
    run(database, commands.CreateWebhook(a_webhook(2)))
    database.close()
    apart_ms = 41 * DAY_MS // count
    fill_backlog(directory, TEAM, WEBHOOK, count // 2, since=_OLD, apart_ms=apart_ms)
    fill_backlog(directory, TEAM, OTHER, count // 2, since=_OLD, apart_ms=apart_ms)
    database = open_database(path)
    with database.writer.begin():
        for statement in _SMALLER:
            words = statement.split(" SELECT ")
            database.writer.exec_driver_sql(f"{words[0]} {_NUMBERS.format(count=count // 4)} SELECT {words[1]}")
    for table_name in TIMES:
        for _ in range(count // time_blocks.ROWS_PER_BLOCK):
            with database.reading.connect() as connection:
                block = next_time_block(connection, table_name)
            if block is not None:
                run(database, block)
    return database


@dataclass(slots=True)
class Cost:
    """What a statement cost: hundreds of steps of SQLite's virtual machine, and seconds."""

    steps: int = 0
    seconds: float = 0


@contextmanager
def measured(connection: Connection) -> Iterator[Cost]:
    """Measure what the block does on this connection."""
    cost, started = Cost(), time.perf_counter()
    driver: Any = connection.connection.driver_connection

    def count() -> int:
        cost.steps += 1
        return 0

    driver.set_progress_handler(count, _EVERY)
    yield cost
    cost.seconds = time.perf_counter() - started
    driver.set_progress_handler(None, 0)


def cost_of_command(database: Database, command: Command[Any]) -> Cost:
    """Run a command and undo it; return what it cost."""
    with database.writer.begin() as transaction:
        with measured(database.writer) as cost:
            answer = apply_one(database, database.writer, command)
        transaction.rollback()
    assert not isinstance(answer, Exception)
    return cost


def cost_of_query(database: Database, query: Callable[[Connection], object]) -> Cost:
    """Run a query; return what it cost."""
    with database.reading.connect() as connection, measured(connection) as cost:
        query(connection)
    return cost


def _disabling() -> commands.RecordAttempt:
    verdict = Verdict(DeliveryStatus.FAILED, None, 4, disable=True)
    command = recording(Work(1, "dlv_1", "evt_1", "linkedin.message.sent", b"{}", NOW), 1, status=500)
    news = OperationalType.WEBHOOK_DISABLED
    return structs.replace(command, verdict=verdict, next_attempt_at=None, news=news)


_DISABLED = CancelReason.WEBHOOK_DISABLED
COMMANDS: dict[type, Command[Any]] = {
    type(command): command
    for command in (
        accepting(1_000_000_000, WEBHOOK, key="new"),
        _disabling(),
        commands.CreateWebhook(a_webhook(3)),
        commands.SaveWebhook(replace(a_webhook(), active=False), _DISABLED, (1, 2), NOW),
        CancelPending(WEBHOOK, _DISABLED, NOW),
        CancelNext(0),
        SetAside(1, WEBHOOK, NOW + 1, NOW),
        TakeBack(tuple(range(1, 201))),
        CancelForEvent(a_webhook(), tuple(range(1, 51)), (7,), CancelReason.EXPIRED, NOW),
        ForgetExpiries(tuple(range(1_000_000_001, 1_000_000_051))),
        commands.Resend("dlv_1", "dlv_new", NOW),
        commands.Recover(a_webhook(3), 0, 0, 250, tuple(f"dlv_r{n}" for n in range(250)), NOW),
        AddBulkJob(a_bulk_job(1_000_000_000), limit=5, kept=1_000),
        EndBulkJob("job_x3", NOW),
        MoveBulkJob("job_x3", 0, 250, NOW, tuple(range(1, 251)), tuple(f"dlv_b{n}" for n in range(250))),
        CancelForJob(a_webhook(), "job_x3", tuple(range(1, 501)), (7,), NOW),
        EraseEvent("evt_1", TEAM, NOW),
        EraseAnswers("evt_1", tuple(range(1, 101)), 100),
        commands.CreateTeam(a_team(2)),
        commands.SaveTeam(TEAM, TeamEdit(name="Acme")),
        AskForAddress(a_pending_address(), "a7@b.c", b"digest of another mail"),
        ConfirmAddress(b"digest of a mail", NOW),
        RemoveAddress(TEAM, "new@example.com", NOW),
        AddEventType(an_event_type("type.new"), NOW),
        SaveEventType("type.x3", EventTypeEdit(deprecated=True), NOW),
        AddEventTypeVersion("type.x4", b"true", example=b"{}", after=1, now=NOW),
        RemoveEventType("type.x5"),
        commands.AddKey(ApiKey("key_1", TEAM, "n", NOW), b"digest"),
        commands.RevokeKey("key_1", NOW),
        commands.AddPortalLink(a_portal_link(), b"digest of a token", NOW),
        commands.UsePortalLink("plk_x2", 0),
        commands.RevokePortalLink("plk_1", NOW),
        commands.SaveKeyUses({f"key_x{number}": NOW for number in range(500)}),
        commands.KeepEntry(an_audit_entry(WEBHOOK, TEAM)),
        commands.Audited(commands.SaveTeam(TEAM, TeamEdit(name="Acme 2")), an_audit_entry(WEBHOOK, TEAM)),
        commands.GrantCredits("crd_1", TEAM, 5, None, NOW),
        commands.ReadBalance(TEAM),
        commands.ExecuteOnce(
            commands.GrantCredits("crd_2", TEAM, 5, None, NOW),
            Idempotency("operator", "another", b"digest"),
            lambda _: "kept",
            NOW,
        ),
        commands.EndSession("session_1", "key_1", NOW, NOW, None),
        upkeep_commands.ReadTrustedTime(),
        upkeep_commands.SaveTrustedTime(NOW),
        commands.ProbeWrite(),
        commands.OperationalEventSubmitted("credits.low.crd_1"),
        commands.MailSent("mail_1", NOW),
        commands.MailDeferred("mail_1", (), 1, NOW, "no"),
        upkeep_commands.PruneIdempotencyKeys(NOW, 500),
        upkeep_commands.PruneWebhookHours(NOW, 2_000),
        upkeep_commands.PruneEvents(NOW - 30 * DAY_MS, 0, 50),
        upkeep_commands.PruneMails(NOW, 0, 500),
        upkeep_commands.ReleaseSpace(4_096, 10, 64),
        upkeep_commands.KeepTimeBlock("events", 2_000_000_000, 2_000_001_000, 1, 2),
    )
}


def listing(**wanted: Any) -> Callable[[Connection], object]:
    """Return a query for a page of deliveries."""
    return lambda c: delivery_reads.list_deliveries(c, DeliveryFilter(**wanted), 50)


def _attempts_of(connection: Connection) -> object:
    page = delivery_reads.list_deliveries(connection, DeliveryFilter(), 200)
    return delivery_reads.attempts_of(connection, [replace(one, attempts_made=1) for one in page.items])


def _last_attempts(connection: Connection) -> object:
    page = delivery_reads.list_deliveries(connection, DeliveryFilter(), 200)
    return delivery_reads.last_attempts(connection, [replace(one, attempts_made=1) for one in page.items])


def chosen(action: BulkAction, **wanted: Any) -> Callable[[Connection], object]:
    """Return a query for a page of what a bulk job is for."""
    choice = a_bulk_job(action=action, wanted=DeliveryFilter(TEAM, **wanted)).choice
    return lambda c: bulk_job_reads.next_deliveries(c, choice, after_seq=0, limit=2_000, look_at=2_000)


QUERIES: dict[str, list[Callable[[Connection], object]]] = {
    "get_team": [lambda c: api_reads.get_team(c, TEAM)],
    "list_teams": [lambda c: api_reads.list_teams(c, 50)],
    "get_balance": [lambda c: api_reads.get_balance(c, TEAM)],
    "get_key": [lambda c: api_reads.get_key(c, "key_1")],
    "list_keys": [lambda c: api_reads.list_keys(c, TEAM, 50)],
    "paused_webhooks": [lambda c: console_reads.paused_webhooks(c, 20)],
    "paced_among": [lambda c: api_reads.paced_among(c, [WEBHOOK, OTHER])],
    "paused_among": [lambda c: api_reads.paused_among(c, [WEBHOOK, OTHER])],
    "due_resumes": [lambda c: actor_reads.due_resumes(c, NOW, actor_reads.FIRST_RESUME, 100)],
    "due_aside": [lambda c: aside_reads.due_aside(c, NOW, aside_reads.FIRST, 200)],
    "aside_of_later_clock": [lambda c: aside_reads.aside_of_later_clock(c, NOW, aside_reads.FIRST, 200)],
    "due_expiries": [lambda c: expiry_reads.due_expiries(c, NOW, expiry_reads.FIRST, 50)],
    "next_expiry_at": [lambda c: expiry_reads.next_expiry_at(c, NOW)],
    "next_aside_at": [lambda c: aside_reads.next_aside_at(c, NOW)],
    "next_resume_at": [lambda c: actor_reads.next_resume_at(c, NOW)],
    "live_among": [lambda c: api_reads.live_among(c, [WEBHOOK, OTHER])],
    "live_webhooks": [lambda c: actor_reads.live_webhooks(c, "", 100)],
    "count_paused": [lambda c: gauge_reads.count_paused(c, 1_000)],
    "count_waiting": [lambda c: console_reads.count_waiting(c, OTHER, 1_000)],
    "pending_addresses": [lambda c: api_reads.pending_addresses(c, TEAM, NOW)],
    "pending_address_of_token": [lambda c: api_reads.pending_address_of_token(c, b"digest of a mail")],
    "next_erasure": [lambda c: erasure_reads.next_erasure(c, 12), lambda c: erasure_reads.next_erasure(c, 10**9)],
    "is_being_erased": [lambda c: erasure_reads.is_being_erased(c, "evt_x1")],
    "deliveries_to_erase": [lambda c: erasure_reads.deliveries_to_erase(c, "evt_1", 0, 100)],
    "get_bulk_job": [lambda c: bulk_job_reads.get_bulk_job(c, "job_x1")],
    "list_bulk_jobs": [lambda c: bulk_job_reads.list_bulk_jobs(c, TEAM, 50)],
    "next_bulk_job": [lambda c: bulk_job_reads.next_bulk_job(c, 12), lambda c: bulk_job_reads.next_bulk_job(c, 0)],
    "own_seqs": [lambda c: bulk_job_reads.own_seqs(c, TEAM, [f"dlv_{number}" for number in range(1_000)])],
    "next_deliveries": [
        chosen(BulkAction.CANCEL),
        chosen(BulkAction.CANCEL, webhook_id=WEBHOOK, event_type="none"),
        chosen(BulkAction.CANCEL, http_statuses=range(500, 600)),
        chosen(BulkAction.CANCEL, event_id="evt_1"),
        chosen(BulkAction.RESEND),
        chosen(BulkAction.RESEND, since=_OLD + DAY_MS, until=_OLD + 2 * DAY_MS),
        lambda c: bulk_job_reads.next_deliveries(
            c, a_bulk_job(seqs=tuple(range(1, 1_001))).choice, after_seq=0, limit=500, look_at=2_000
        ),
    ],
    "get_portal_link": [lambda c: api_reads.get_portal_link(c, "plk_1")],
    "portal_link_of_token": [lambda c: api_reads.portal_link_of_token(c, b"digest of a token")],
    "added_types": [lambda c: event_type_reads.added_types(c, "", 1_000)],
    "types_named": [lambda c: event_type_reads.types_named(c, ["type.x3", "type.x4"])],
    "list_versions": [lambda c: event_type_reads.list_versions(c, "type.x3", 201, None)],
    "get_version": [lambda c: event_type_reads.get_version(c, "type.x3", 1)],
    "subscribers": [lambda c: event_type_reads.subscribers(c, 0, 1_000)],
    "types_before": [lambda c: event_type_reads.types_before(c, None, 10_000)],
    "live_portal_links": [
        lambda c: api_reads.live_portal_links(c, TEAM, NOW, 50),
        lambda c: api_reads.live_portal_links(c, TEAM, 2**60, 50),
    ],
    "list_portal_links": [lambda c: api_reads.list_portal_links(c, TEAM, 50)],
    "list_audit_entries": [lambda c: api_reads.list_audit_entries(c, TEAM, 50)],
    "get_webhook": [lambda c: api_reads.get_webhook(c, WEBHOOK)],
    "list_webhooks": [lambda c: api_reads.list_webhooks(c, TEAM, 50)],
    "get_event": [lambda c: api_reads.get_event(c, "evt_1")],
    "deliveries_of_event": [lambda c: delivery_reads.deliveries_of_event(c, "evt_1", 200)],
    "get_delivery": [lambda c: api_reads.get_delivery(c, "dlv_1")],
    "get_attempts": [lambda c: api_reads.get_attempts(c, "dlv_1")],
    "list_deliveries": [
        listing(),
        listing(team_id=TEAM, statuses=(DeliveryStatus.SUCCEEDED,)),
        listing(statuses=(DeliveryStatus.FAILED,)),
        listing(team_id=TEAM, event_type="none"),
        listing(webhook_id=WEBHOOK, since=_OLD + DAY_MS, until=_OLD + 2 * DAY_MS),
        listing(since=_OLD + DAY_MS, until=_OLD + 2 * DAY_MS, statuses=(DeliveryStatus.FAILED,)),
        listing(until=1),
        listing(team_id=TEAM, event_type="none", since=_OLD + DAY_MS),
        listing(webhook_id=WEBHOOK, event_type="none", since=_OLD + DAY_MS, statuses=(DeliveryStatus.PENDING,)),
        listing(team_id=TEAM, outcome=OutcomeKind.DNS_ERROR),
        listing(webhook_id=WEBHOOK, http_statuses=range(500, 600), since=_OLD + DAY_MS),
    ],
    "last_attempts": [_last_attempts],
    "find_ids": [lambda c: search_reads.find_ids(c, read_wanted("01k0a3").ids, TEAM, 50)],
    "find_in_payloads": [
        lambda c: search_reads.find_in_payloads(c, read_wanted("nowhere"), TEAM, limit=50),
        lambda c: search_reads.find_in_payloads(c, read_wanted("data.a=none"), TEAM, limit=50, since=_OLD + DAY_MS),
    ],
    "queued_again_as": [lambda c: delivery_reads.queued_again_as(c, "evt_1", ["dlv_1"], 20)],
    "list_events": [
        lambda c: event_reads.list_events(c, event_reads.EventFilter(), 50),
        lambda c: event_reads.list_events(c, event_reads.EventFilter(TEAM, "none"), 50),
        lambda c: event_reads.list_events(c, event_reads.EventFilter(TEAM, "none", since=_OLD + DAY_MS), 50),
    ],
    "events_of_submission": [
        lambda c: event_reads.events_of_submission(c, event_reads.EventFilter(TEAM), ["operator"], "key_1")
    ],
    "idempotency_key_of": [lambda c: event_reads.idempotency_key_of(c, "evt_1", NOW, ["operator"])],
    "key_names": [lambda c: event_reads.key_names(c, ["key_1"])],
    "attempts_of": [_attempts_of],
    "list_credit_entries": [lambda c: api_reads.list_credit_entries(c, TEAM, 50)],
    "ended_sessions": [lambda c: actor_reads.ended_sessions(c, "s_12", 1_000)],
    "pending_since": [lambda c: gauge_reads.pending_since(c, 1)],
    "deliveries_to_come": [lambda c: gauge_reads.deliveries_to_come(c)],
    "subscriptions": [lambda c: actor_reads.subscriptions(c, 12, 1_000)],
    "team_ids": [lambda c: actor_reads.team_ids(c, 12, 1_000)],
    "valid_keys": [lambda c: actor_reads.valid_keys(c, 12, 1_000)],
    "webhooks_with_work": [actor_reads.webhooks_with_work],
    "webhook_or_deleted": [lambda c: actor_reads.webhook_or_deleted(c, WEBHOOK)],
    "webhook_and_work": [lambda c: actor_reads.webhook_and_work(c, WEBHOOK, 12)],
    "pending_work": [lambda c: actor_reads.pending_work(c, OTHER, 128)],
    "pending_work_one_by_one": [lambda c: actor_reads.pending_work_one_by_one(c, [(OTHER, 128)])],
    "events_since": [lambda c: actor_reads.events_since(c, NOW), lambda c: actor_reads.events_since(c, 0)],
    "missed_events": [lambda c: missed_reads.missed_events(c, a_webhook(3), 0, SeqRange(0, None), 250)],
    "attempt": [lambda c: actor_reads.attempt(c, 1, 1)],
    "event_body": [lambda c: actor_reads.event_body(c, "evt_1")],
    "waiting_operational_events": [actor_reads.waiting_operational_events],
    "due_mails": [lambda c: actor_reads.due_mails(c, NOW)],
    "next_mail_at": [actor_reads.next_mail_at],
    "webhook_summaries": [lambda c: console_reads.webhook_summaries(c, TEAM, NOW, 50)],
    "newest_webhooks": [lambda c: console_reads.newest_webhooks(c, TEAM, 100)],
    "webhook_statistics": [
        lambda c: statistics_reads.webhook_statistics(c, WEBHOOK, StatisticsRange.MONTH, NOW),
        # All that there can be.
        lambda c: statistics_reads.webhook_statistics(c, "wh_busy", StatisticsRange.MONTH, NOW),
    ],
    "webhook_names": [lambda c: console_reads.webhook_names(c, [WEBHOOK])],
    "count_webhooks": [lambda c: console_reads.count_webhooks(c, TEAM, 100)],
    "missed_by": [lambda c: console_reads.missed_by(c, replace(a_webhook(), disabled_at=1))],
    "credit_days": [lambda c: console_reads.credit_days(c, TEAM, 0)],
    "failures_of": [lambda c: console_reads.failures_of(c, WEBHOOK, 4)],
    "waiting_mails": [lambda c: console_reads.waiting_mails(c, 20)],
    "count_mails": [lambda c: gauge_reads.count_mails(c, gauge_reads.MailPlace())],
    "count_pending": [
        lambda c: gauge_reads.count_pending(c, gauge_reads.Place()),
        lambda c: gauge_reads.count_pending(c, gauge_reads.Place(TEAM)),
        lambda c: gauge_reads.count_pending(c, gauge_reads.Place(TEAM, 0)),
    ],
    "delivery_of": [lambda c: gauge_reads.delivery_of(c, 1)],
    "next_range": [lambda c: time_blocks.next_range(c, TIMES["events"], 0, _OLD + DAY_MS, _OLD + 2 * DAY_MS)],
    "last_range": [lambda c: time_blocks.last_range(c, TIMES["deliveries"], None, _OLD, _OLD + DAY_MS)],
    "highest_seq": [lambda c: time_blocks.highest_seq(c, "events")],
    "next_time_block": [lambda c: time_blocks.next_time_block(c, "events")],
}


def every_command() -> set[type]:
    """Return all commands that the code has."""
    modules = (
        commands,
        address_commands,
        aside_commands,
        cancel_commands,
        erasure_commands,
        event_type_commands,
        expiry_commands,
        job_commands,
        upkeep_commands,
    )
    found = (each for module in modules for each in vars(module).values())
    return {one for one in found if inspect.isclass(one) and issubclass(one, Command)} - {Command}


def every_query() -> set[str]:
    """Return the names of all queries that the code has."""
    modules: tuple[ModuleType, ...] = (
        api_reads,
        actor_reads,
        aside_reads,
        bulk_job_reads,
        console_reads,
        delivery_reads,
        erasure_reads,
        event_reads,
        event_type_reads,
        expiry_reads,
        gauge_reads,
        search_reads,
        statistics_reads,
        missed_reads,
        time_blocks,
    )
    return {
        name
        for module in modules
        for name, one in vars(module).items()
        if inspect.isfunction(one) and not name.startswith("_") and _is_query(one)
    }


def _is_query(function: Callable[..., object]) -> bool:
    first, *_ = [*inspect.signature(function).parameters.items(), ("", None)]
    others = [name for name in inspect.signature(function).parameters if name != "connection"]
    helpers = ("daemon.store.reads.pagination", "daemon.store.reads.timed_pages", "daemon.store.bulk")
    is_helper = function.__module__ in helpers
    return first[0] == "connection" and "_sequences" not in others and not is_helper
