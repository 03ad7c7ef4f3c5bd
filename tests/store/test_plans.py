"""Every hot query uses an index: no scan of a table, and no sorting (architecture "The store")."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import Connection

from daemon.domain.audit import AuditAction
from daemon.domain.bulk_jobs import BulkAction
from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.event_types import EventTypeEdit
from daemon.domain.model import CancelReason, Delivery, DeliveryStatus, OutcomeKind, TeamEdit
from daemon.domain.search import read_wanted
from daemon.domain.statistics import StatisticsRange
from daemon.store.address_commands import AskForAddress, ConfirmAddress, RemoveAddress
from daemon.store.aside_commands import SetAside, TakeBack
from daemon.store.cancel_commands import CancelNext, CancelPending
from daemon.store.commands import (
    AddPortalLink,
    Audited,
    Command,
    MailDeferred,
    MailSent,
    OperationalEventSubmitted,
    ReadBalance,
    Recover,
    Resend,
    RevokeKey,
    RevokePortalLink,
    SaveKeyUses,
    SaveTeam,
    SaveWebhook,
    UsePortalLink,
)
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
from daemon.store.reads.event_reads import EventFilter
from daemon.store.reads.time_blocks import SeqRange
from daemon.store.sqlite.database import Database
from daemon.store.upkeep_commands import (
    PruneIdempotencyKeys,
    PruneWebhookHours,
)
from daemon.store.writes.batch import run_batch
from daemon.store.writes.operational_events import AUDIENCE, WAITING
from tests.store.filling import (
    NOW,
    a_bulk_job,
    a_pending_address,
    a_portal_link,
    a_webhook,
    accept,
    accepting,
    an_audit_entry,
    an_event_type,
    found,
    recording,
    run,
)
from tests.store.test_outcomes import disabling

TEAM, WEBHOOK = "team_1", "wh_1"


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


@contextmanager
def plans_of(connection: Connection) -> Iterator[list[str]]:
    """The query plan's lines of every statement that the driver runs in this block; they are there when it is left."""
    lines: list[str] = []
    statements: list[str] = []
    driver: Any = connection.connection.driver_connection
    driver.set_trace_callback(lambda statement: statements.append(statement.strip()))
    yield lines
    driver.set_trace_callback(None)
    for statement in statements:
        if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
            lines.extend(row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}"))


def listing(**wanted: Any) -> Callable[[Connection], object]:
    return partial(_list, DeliveryFilter(**wanted))


def _list(wanted: DeliveryFilter, connection: Connection) -> object:
    return delivery_reads.list_deliveries(connection, wanted, 20, 1000, look_at=5)


def chosen(
    action: BulkAction, *, seqs: tuple[int, ...] | None = None, look_at: int = 5, **wanted: Any
) -> Callable[[Connection], object]:
    choice = a_bulk_job(action=action, wanted=DeliveryFilter(TEAM, **wanted), seqs=seqs).choice
    return partial(bulk_job_reads.next_deliveries, choice=choice, after_seq=2, limit=20, look_at=look_at)


def listed(count: int) -> list[Delivery]:
    """Return so many deliveries that were attempted once."""
    succeeded = DeliveryStatus.SUCCEEDED
    return [
        Delivery(
            seq=seq,
            id=f"dlv_{seq}",
            event_id="evt_1",
            event_type="a.b",
            webhook_id=WEBHOOK,
            team_id=TEAM,
            status=succeeded,
            attempts_made=1,
            next_attempt_at=None,
            created_at=NOW,
        )
        for seq in range(1, count + 1)
    ]


def summing_up(**wanted: Any) -> Callable[[Connection], object]:
    return lambda connection: console_reads.webhook_summaries(connection, TEAM, NOW, 20, 1000, look_at=5, **wanted)


def scans(lines: list[str]) -> list[str]:
    # Whole index of what waits, all webhooks for those with work, all teams for what is pending of each, what a query
    # inside has found, the values of an IN, what `bulk` hands over, fan-outs (few), the first of an outbox.
    harmless = (
        "ix_mails_waiting",
        "SCAN webhooks",
        "SCAN teams USING COVERING INDEX",
        "SCAN anon_",
        "SCAN (subquery-",
        "CONSTANT ROW",
        "SCAN page",
        "SCAN newest",
        "SCAN behind",
        "SCAN low",
        "SCAN given",
        "SCAN json_each",
        "SCAN fan_outs",
        "SCAN operational_events",
    )
    return [line for line in lines if line.startswith("SCAN") and not any(name in line for name in harmless)]


READS: dict[str, tuple[Callable[[Connection], object], str]] = {
    "pending_work": (
        lambda c: actor_reads.pending_work(c, WEBHOOK, 64),
        "ix_deliveries_webhook_status (webhook_id=? AND status=? AND seq>?)",
    ),
    "pending_work_one_by_one": (
        lambda c: actor_reads.pending_work_one_by_one(c, [(WEBHOOK, 64)]),
        "ix_deliveries_webhook_status (webhook_id=? AND status=? AND seq>?)",
    ),
    "webhooks_with_work": (
        actor_reads.webhooks_with_work,
        "INDEX ix_deliveries_webhook_status (webhook_id=? AND status=?)",
    ),
    "webhook_or_deleted": (lambda c: actor_reads.webhook_or_deleted(c, WEBHOOK), "(id=?)"),
    "aside and due": (
        lambda c: aside_reads.due_aside(c, NOW, (5, 5), 20),
        "ix_set_aside_due ((due_at,delivery_seq)>(?,?) AND due_at<?)",
    ),
    "aside, counted from later": (
        lambda c: aside_reads.aside_of_later_clock(c, NOW, (5, 5), 20),
        "ix_set_aside_counted (counted_from>?)",
    ),
    "what has expired": (
        lambda c: expiry_reads.due_expiries(c, NOW, (5, 5), 20),
        "ix_expiries_due ((expires_at,delivery_seq)>(?,?) AND expires_at<?)",
    ),
    "next expiry": (lambda c: expiry_reads.next_expiry_at(c, NOW), "ix_expiries_due (expires_at>?)"),
    "next aside": (lambda c: aside_reads.next_aside_at(c, NOW), "ix_set_aside_due (due_at>?)"),
    "attempt": (lambda c: actor_reads.attempt(c, 1, 1), "PRIMARY KEY (delivery_seq=? AND number=?)"),
    "event_body": (lambda c: actor_reads.event_body(c, "evt_1"), "(id=?)"),
    "operational webhooks": (
        lambda c: c.execute(AUDIENCE, {"team_ids": [TEAM, "_operator"]}).all(),
        "ix_webhooks_about (about=? AND team_id=?)",
    ),
    "what waits for them": (
        lambda c: c.execute(WAITING, {"webhook_id": WEBHOOK, "type": "webhook.failing"}).all(),
        "ix_operational_events_webhook (webhook_id=? AND type=?)",
    ),
    "waiting_operational_events": (actor_reads.waiting_operational_events, "SCAN operational_events"),
    "due_mails": (lambda c: actor_reads.due_mails(c, NOW), "ix_mails_waiting (next_attempt_at<?)"),
    "next_mail_at": (actor_reads.next_mail_at, "ix_mails_waiting"),
    "get_team": (lambda c: api_reads.get_team(c, TEAM), "(id=?)"),
    "get_balance": (lambda c: api_reads.get_balance(c, TEAM), "(id=?)"),
    "list_teams": (lambda c: api_reads.list_teams(c, 20, 1000), "INTEGER PRIMARY KEY (rowid<?)"),
    "get_key": (lambda c: api_reads.get_key(c, "key_1"), "(id=?)"),
    "list_audit_entries": (
        lambda c: api_reads.list_audit_entries(c, TEAM, 20, 1000),
        "ix_audit_entries_team (team_id=? AND seq<?)",
    ),
    "pending_addresses": (
        lambda c: api_reads.pending_addresses(c, TEAM, NOW),
        "ix_address_confirmations_team (team_id=?)",
    ),
    "added_types": (lambda c: event_type_reads.added_types(c, "", 100), "(name>?)"),
    "types_named": (lambda c: event_type_reads.types_named(c, ["type.one"]), "(name=?)"),
    "list_versions": (lambda c: event_type_reads.list_versions(c, "type.one", 20, 9), "(name=? AND version<?)"),
    "get_version": (lambda c: event_type_reads.get_version(c, "type.one", 1), "(name=? AND version=?)"),
    "subscribers": (lambda c: event_type_reads.subscribers(c, 0, 100), "INTEGER PRIMARY KEY (rowid>?)"),
    "types_before": (lambda c: event_type_reads.types_before(c, 1000, 100), "INTEGER PRIMARY KEY (rowid<?)"),
    "pending_address_of_token": (lambda c: api_reads.pending_address_of_token(c, b"digest"), "(digest=?)"),
    "next_erasure": (lambda c: erasure_reads.next_erasure(c, 5), "(rowid>?)"),
    "is_being_erased": (lambda c: erasure_reads.is_being_erased(c, "evt_1"), "(event_id=?)"),
    "deliveries_to_erase": (
        lambda c: erasure_reads.deliveries_to_erase(c, "evt_1", 5, 20),
        "ix_deliveries_event (event_id=? AND rowid>?)",
    ),
    "get_bulk_job": (lambda c: bulk_job_reads.get_bulk_job(c, "job_1"), "(id=?)"),
    "list_bulk_jobs": (
        lambda c: bulk_job_reads.list_bulk_jobs(c, TEAM, 20, 1000),
        "ix_bulk_jobs_team (team_id=? AND seq<?)",
    ),
    "next_bulk_job": (lambda c: bulk_job_reads.next_bulk_job(c, 5), "ix_bulk_jobs_status (status=? AND seq>?)"),
    "next_bulk_job, those before it": (
        lambda c: bulk_job_reads.next_bulk_job(c, 5),
        "ix_bulk_jobs_team_status (team_id=? AND status=? AND seq<?)",
    ),
    "own_seqs": (lambda c: bulk_job_reads.own_seqs(c, TEAM, ["dlv_1_wh_1", "dlv_2_wh_1"]), "(id=?)"),
    "next_deliveries to cancel": (
        chosen(BulkAction.CANCEL),
        "ix_deliveries_team_status (team_id=? AND status=? AND seq>? AND seq<?)",
    ),
    "next_deliveries to resend": (
        chosen(BulkAction.RESEND, webhook_id=WEBHOOK, http_statuses=range(500, 600)),
        "ix_deliveries_webhook_status (webhook_id=? AND status=? AND seq>? AND seq<?)",
    ),
    "next_deliveries of an event": (
        chosen(BulkAction.RESEND, event_id="evt_1", look_at=2_000),
        "ix_deliveries_event (event_id=?",
    ),
    "next_deliveries that were named": (chosen(BulkAction.CANCEL, seqs=(5, 6)), "INTEGER PRIMARY KEY (rowid=?)"),
    "get_portal_link": (lambda c: api_reads.get_portal_link(c, "plk_1"), "(id=?)"),
    "portal_link_of_token": (lambda c: api_reads.portal_link_of_token(c, b"digest"), "(digest=?)"),
    "live_portal_links": (
        lambda c: api_reads.live_portal_links(c, TEAM, NOW, 20, 1000),
        "ix_portal_links_team (team_id=? AND seq<?)",
    ),
    "list_portal_links": (
        lambda c: api_reads.list_portal_links(c, TEAM, 20, 1000),
        "ix_portal_links_team (team_id=? AND seq<?)",
    ),
    "list_keys": (lambda c: api_reads.list_keys(c, TEAM, 20, 1000), "ix_api_keys_team (team_id=? AND seq<?)"),
    "get_webhook": (lambda c: api_reads.get_webhook(c, WEBHOOK), "(id=?)"),
    "list_webhooks": (lambda c: api_reads.list_webhooks(c, TEAM, 20, 1000), "ix_webhooks_team (team_id=? AND seq<?)"),
    "list_webhooks of all": (lambda c: api_reads.list_webhooks(c, None, 20, 1000), "INTEGER PRIMARY KEY (rowid<?)"),
    "get_event": (lambda c: api_reads.get_event(c, "evt_1"), "(id=?)"),
    "deliveries_of_event": (
        lambda c: delivery_reads.deliveries_of_event(c, "evt_1", 20, 1),
        "ix_deliveries_event (event_id=? AND rowid>?)",
    ),
    "list_events of all": (
        lambda c: event_reads.list_events(c, EventFilter(), 20, 1000),
        "INTEGER PRIMARY KEY (rowid<?)",
    ),
    "list_events of a team and type": (
        lambda c: event_reads.list_events(c, EventFilter(TEAM, "a.b"), 20, 1000, look_at=5),
        "ix_events_team (team_id=? AND seq>? AND seq<?)",
    ),
    "events_of_submission": (
        lambda c: event_reads.events_of_submission(c, EventFilter(TEAM), ["operator", "team:team_1"], "known"),
        "idempotency_keys USING INDEX sqlite_autoindex_idempotency_keys_1 (scope=? AND key=?)",
    ),
    "events_of_submission, the events": (
        lambda c: event_reads.events_of_submission(c, EventFilter(TEAM), ["operator", "team:team_1"], "known"),
        "events USING INDEX sqlite_autoindex_events_1 (id=?)",
    ),
    "idempotency_key_of": (
        lambda c: event_reads.idempotency_key_of(c, "evt_1", NOW, ["operator"]),
        "ix_idempotency_keys_age (created_at=?)",
    ),
    "key_names": (lambda c: event_reads.key_names(c, ["key_1", "key_2"]), "(id=?)"),
    "find_ids of events": (
        lambda c: search_reads.find_ids(c, read_wanted("evt_01k0a3").ids, TEAM, 20),
        "events USING COVERING INDEX sqlite_autoindex_events_1 (id>? AND id<?)",
    ),
    "find_ids of deliveries": (
        lambda c: search_reads.find_ids(c, read_wanted("dlv_01k0a3").ids, TEAM, 20),
        "deliveries USING COVERING INDEX sqlite_autoindex_deliveries_1 (id>? AND id<?)",
    ),
    "find_in_payloads": (
        lambda c: search_reads.find_in_payloads(c, read_wanted("none"), TEAM, limit=20, before=1000, look_at=5),
        "ix_events_team (team_id=? AND seq>? AND seq<?)",
    ),
    "queued_again_as": (
        lambda c: delivery_reads.queued_again_as(c, "evt_1", ["dlv_1"], 20),
        "ix_deliveries_event (event_id=?)",
    ),
    "get_delivery": (lambda c: api_reads.get_delivery(c, "dlv_1_wh_1"), "(id=?)"),
    "get_attempts": (lambda c: api_reads.get_attempts(c, "dlv_1_wh_1"), "PRIMARY KEY (delivery_seq=?)"),
    "list_credit_entries": (
        lambda c: api_reads.list_credit_entries(c, TEAM, 20, 1000),
        "ix_credit_entries_team (team_id=? AND seq<?)",
    ),
    "list_deliveries": (listing(), "INTEGER PRIMARY KEY (rowid<?)"),
    "list_deliveries by team": (listing(team_id=TEAM), "ix_deliveries_team (team_id=? AND seq<?)"),
    "list_deliveries by team and status": (
        listing(team_id=TEAM, statuses=(DeliveryStatus.FAILED,)),
        "ix_deliveries_team_status (team_id=? AND status=? AND seq<?)",
    ),
    "list_deliveries by team and pending": (
        listing(team_id=TEAM, statuses=(DeliveryStatus.PENDING,)),
        "ix_deliveries_",
    ),
    "list_deliveries by webhook": (
        listing(team_id=TEAM, webhook_id=WEBHOOK),
        "ix_deliveries_webhook (webhook_id=? AND seq<?)",
    ),
    "list_deliveries by event": (
        listing(team_id=TEAM, event_id="evt_1", webhook_id=WEBHOOK, statuses=(DeliveryStatus.FAILED,)),
        "ix_deliveries_event (event_id=? AND rowid<?)",
    ),
    "list_deliveries by webhook and status": (
        listing(team_id=TEAM, webhook_id=WEBHOOK, statuses=(DeliveryStatus.FAILED,)),
        "ix_deliveries_webhook_status (webhook_id=? AND status=? AND seq<?)",
    ),
    "list_deliveries by webhook and pending": (
        listing(team_id=TEAM, webhook_id=WEBHOOK, statuses=(DeliveryStatus.PENDING,)),
        "ix_deliveries_webhook_status (webhook_id=? AND status=? AND seq<?)",
    ),
    "list_deliveries by webhook, its team and type": (
        listing(team_id=TEAM, webhook_id=WEBHOOK, event_type="a.b"),
        "ix_deliveries_webhook (webhook_id=? AND seq>? AND seq<?)",
    ),
    "list_deliveries by team and type": (
        listing(team_id=TEAM, event_type="a.b"),
        "ix_deliveries_team (team_id=? AND seq>? AND seq<?)",
    ),
    "list_deliveries by team and time": (
        listing(team_id=TEAM, since=NOW, until=NOW),
        "ix_deliveries_team (team_id=? AND seq>? AND seq<?)",
    ),
    "list_deliveries by status": (
        listing(statuses=(DeliveryStatus.FAILED,)),
        "INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    ),
    "list_deliveries by team and two statuses": (
        listing(team_id=TEAM, statuses=(DeliveryStatus.FAILED, DeliveryStatus.CANCELLED)),
        "ix_deliveries_team_status (team_id=? AND status=? AND seq<?)",
    ),
    "list_deliveries by team and outcome": (
        listing(team_id=TEAM, outcome=OutcomeKind.TIMEOUT),
        "ix_deliveries_team_status (team_id=? AND status=? AND seq>? AND seq<?)",
    ),
    "list_deliveries by team and outcome, their attempts": (
        listing(team_id=TEAM, outcome=OutcomeKind.TIMEOUT),
        "SEARCH attempts USING PRIMARY KEY (delivery_seq=? AND number=?)",
    ),
    "list_deliveries by webhook and HTTP status": (
        listing(team_id=TEAM, webhook_id=WEBHOOK, http_statuses=range(500, 600)),
        "ix_deliveries_webhook_status (webhook_id=? AND status=? AND seq>? AND seq<?)",
    ),
    "list_deliveries by HTTP status": (
        listing(http_statuses=range(200, 201)),
        "INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    ),
    "attempts_of": (
        lambda c: delivery_reads.attempts_of(c, listed(50)),
        "attempts USING PRIMARY KEY (delivery_seq=?)",
    ),
    "last_attempts": (
        lambda c: delivery_reads.last_attempts(c, listed(50)),
        "attempts USING PRIMARY KEY (delivery_seq=? AND number=?)",
    ),
    "missed_events": (
        lambda c: missed_reads.missed_events(c, a_webhook(), NOW, SeqRange(0, None), 250),
        "ix_events_team (team_id=? AND seq>?)",
    ),
    "events_since": (lambda c: actor_reads.events_since(c, NOW), "time_blocks USING PRIMARY KEY (table_name=?)"),
    "next_time_block": (
        lambda c: time_blocks.next_time_block(c, "events"),
        "SEARCH events USING INTEGER PRIMARY KEY (rowid>?)",
    ),
    "webhook_summaries": (summing_up(), "ix_webhooks_team (team_id=? AND seq<?)"),
    "webhook_summaries with a name": (summing_up(search="crm"), "ix_webhooks_team (team_id=? AND seq<?)"),
    "webhook_summaries of active ones": (
        summing_up(active=True),
        "ix_webhooks_team_active (team_id=? AND active=? AND seq<?)",
    ),
    "webhook_summaries of disabled ones": (
        summing_up(active=False, search="crm"),
        "ix_webhooks_team_active (team_id=? AND active=? AND seq<?)",
    ),
    "last deliveries of webhooks": (summing_up(), "COVERING INDEX ix_deliveries_webhook (webhook_id=?)"),
    "hours of webhooks": (summing_up(), "webhook_hours USING PRIMARY KEY (hour=? AND webhook_id=?)"),
    "webhook_names": (lambda c: console_reads.webhook_names(c, [WEBHOOK, "wh_2"]), "(id=?)"),
    "count_webhooks": (
        lambda c: console_reads.count_webhooks(c, TEAM, 100),
        "ix_webhooks_team_active (team_id=? AND active=?)",
    ),
    "failures_of": (
        lambda c: console_reads.failures_of(c, WEBHOOK, 4),
        "ix_deliveries_webhook_status (webhook_id=? AND status=?)",
    ),
    "missed_by, its events": (
        lambda c: console_reads.missed_by(c, a_webhook()),
        "ix_events_team (team_id=? AND seq>?)",
    ),
    "missed_by, their deliveries": (
        lambda c: console_reads.missed_by(c, a_webhook()),
        "ix_deliveries_event (event_id=?)",
    ),
    "credit_days": (lambda c: console_reads.credit_days(c, TEAM, NOW), "PRIMARY KEY (team_id=? AND day>? AND day<?)"),
    "pending_since": (lambda c: gauge_reads.pending_since(c, 1), "PRIMARY KEY (rowid=?)"),
    "deliveries_to_come of a team": (lambda c: gauge_reads.deliveries_to_come(c, TEAM), "ix_fan_outs_team (team_id=?)"),
    "count_pending": (
        lambda c: gauge_reads.count_pending(c, gauge_reads.Place()),
        "COVERING INDEX ix_deliveries_team_status (team_id=? AND status=?)",
    ),
    "count_pending of a team": (
        lambda c: gauge_reads.count_pending(c, gauge_reads.Place(TEAM, 5)),
        "COVERING INDEX ix_deliveries_team_status (team_id=? AND status=? AND seq>?)",
    ),
    "count_mails": (lambda c: gauge_reads.count_mails(c, gauge_reads.MailPlace(5, 5)), "ix_mails_waiting"),
    "waiting_mails": (lambda c: console_reads.waiting_mails(c, 20), "ix_mails_waiting"),
}


@pytest.mark.parametrize(("query", "index"), READS.values(), ids=READS)
def test_a_read_uses_its_index_and_sorts_nothing(
    database: Database, query: Callable[[Connection], object], index: str
) -> None:
    found(database)
    accept(database, range(20))
    run(database, accepting(20, key="known"))
    with database.reading.connect() as connection, plans_of(connection) as lines:
        query(connection)
    assert any(index in line for line in lines), lines
    assert scans(lines) == []
    assert [line for line in lines if "TEMP B-TREE" in line] == []


# What is put together of a bounded number of rows, each found by its key.
GROUPING: dict[str, Callable[[Connection], object]] = {
    f"webhook_statistics of {covered}": partial(
        statistics_reads.webhook_statistics, webhook_id=WEBHOOK, covered=covered, now=NOW
    )
    for covered in StatisticsRange
}


@pytest.mark.parametrize("query", GROUPING.values(), ids=GROUPING)
def test_what_is_put_together_is_found_by_its_key(database: Database, query: Callable[[Connection], object]) -> None:
    with database.reading.connect() as connection, plans_of(connection) as lines:
        query(connection)
    for table in ("webhook_hours", "webhook_errors"):
        assert f"SEARCH {table} USING PRIMARY KEY (hour=? AND webhook_id=?)" in lines
    assert scans(lines) == []


WRITES: dict[str, Command[Any]] = {
    "idempotency key": accepting(50, WEBHOOK, key="k"),
    "forget keys": PruneIdempotencyKeys(NOW, 10),
    "forget hours": PruneWebhookHours(NOW, 10),
    "save webhook": SaveWebhook(a_webhook(), CancelReason.WEBHOOK_DISABLED, (3, 4), NOW),
    "cancel pending": CancelPending(WEBHOOK, CancelReason.WEBHOOK_DELETED, NOW),
    "cancel next": CancelNext(0),
    "set aside": SetAside(3, WEBHOOK, NOW + 1, NOW),
    "take back": TakeBack((1, 2, 3)),
    "cancel what has expired": CancelForEvent(a_webhook(), (1, 2, 3), (2,), CancelReason.EXPIRED, NOW),
    "forget expiries": ForgetExpiries((1, 2, 3)),
    "resend": Resend("dlv_1_wh_1", "dlv_new", NOW),
    "recover": Recover(a_webhook(), NOW, 0, 100, tuple(f"dlv_r{n}" for n in range(100)), NOW),
    "recover some types": Recover(
        a_webhook(events=("a.b", "c.d")), NOW, 5, 100, tuple(f"dlv_s{n}" for n in range(100)), NOW
    ),
    "save team": SaveTeam(TEAM, TeamEdit("Acme", ("ops@example.com",))),
    "ask for address": AskForAddress(a_pending_address(), "new@example.com", b"digest"),
    "confirm address": ConfirmAddress(b"digest", NOW),
    "remove address": RemoveAddress(TEAM, "new@example.com", NOW),
    "add event type": AddEventType(an_event_type("type.new"), NOW),
    "save event type": SaveEventType("type.one", EventTypeEdit(description="Other", archived=True), NOW),
    "add event type version": AddEventTypeVersion("type.one", b"true", example=b"{}", after=1, now=NOW),
    "remove event type": RemoveEventType("type.one"),
    "read balance": ReadBalance(TEAM),
    "revoke key": RevokeKey("key_1", NOW),
    "add bulk job": AddBulkJob(a_bulk_job(), limit=5, kept=10),
    "end bulk job": EndBulkJob("job_1", NOW),
    "move bulk job": MoveBulkJob("job_9", 0, 5, NOW, (1, 2, 3), ("dlv_b1", "dlv_b2", "dlv_b3")),
    "erase event": EraseEvent("evt_1", TEAM, NOW),
    "erase answers": EraseAnswers("evt_1", (1, 2, 3), 3),
    "erase the last answers": EraseAnswers("evt_1", (1, 2, 3), None),
    "cancel for a bulk job": CancelForJob(a_webhook(), "job_9", (1, 2, 3), (2,), NOW),
    "add portal link": AddPortalLink(a_portal_link(), b"digest", NOW),
    "use portal link": UsePortalLink("plk_1", NOW),
    "revoke portal link": RevokePortalLink("plk_1", NOW),
    "save key uses": SaveKeyUses({"key_1": NOW, "operator": NOW}),
    "change team, audited": Audited(
        SaveTeam(TEAM, TeamEdit(name="Acme 2", notification_emails=("a@b.example",))),
        structs.replace(an_audit_entry(TEAM), action=AuditAction.TEAM_CHANGED),
    ),
    "operational event submitted": OperationalEventSubmitted("credits.low.crd_1"),
    "mail sent": MailSent("mail_1", NOW),
    "mail deferred": MailDeferred("mail_1", (), 1, NOW, "no"),
}


@pytest.mark.parametrize("command", WRITES.values(), ids=WRITES)
def test_a_write_finds_its_rows_by_an_index(database: Database, command: Command[Any]) -> None:
    found(database)
    accept(database, range(20))
    run(database, AddBulkJob(a_bulk_job(9), limit=5, kept=10))
    with plans_of(database.writer) as lines:
        run_batch(database, [command])
    assert lines
    assert scans(lines) == []
    assert [line for line in lines if "TEMP B-TREE" in line] == []


def test_recording_attempts_finds_its_rows_by_their_keys(database: Database) -> None:
    found(database)
    work = accept(database, range(100, 120))
    last = disabling(database)
    with plans_of(database.writer) as lines:
        run_batch(database, [*(recording(one, 1) for one in work), last])
    assert any("ix_deliveries_webhook_status" in line for line in lines)
    assert scans(lines) == []
    assert [line for line in lines if "TEMP B-TREE" in line] == []
