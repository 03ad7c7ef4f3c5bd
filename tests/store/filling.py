"""Rows for the store's tests, made by the store's own commands."""

import itertools
from collections.abc import Sequence
from typing import Any

from daemon.domain.audit import Actor, AuditAction, AuditEntry
from daemon.domain.bulk_jobs import BulkAction, BulkJob, BulkJobStatus, Choice
from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.event_types import EventType
from daemon.domain.lifecycle import judge
from daemon.domain.model import Attempt, Event, Outcome, OutcomeKind, Team, Webhook, Work
from daemon.domain.operations import About
from daemon.domain.policy import Policy
from daemon.domain.portal_links import PortalLink
from daemon.domain.submission import Idempotency, MatchedEvent
from daemon.domain.team_addresses import PendingAddress
from daemon.store.commands import AcceptEvents, Command, CreateTeam, CreateWebhook, RecordAttempt
from daemon.store.writes.batch import run_batch
from tests.support.engines import AnyDatabase as AnyDatabase

NOW = 1_800_000_000_000
_NUMBERS = itertools.count()


def run(database: AnyDatabase, command: Command[Any]) -> Any:
    """Run one command; return its answer or raise its error."""
    (answer,) = run_batch(database, [command])
    if isinstance(answer, Exception):
        raise answer
    return answer


def an_audit_entry(webhook_id: str, team_id: str = "team_1") -> AuditEntry:
    """Return the entry of a change to a webhook."""
    return AuditEntry(
        id=f"aud_{next(_NUMBERS)}",
        team_id=team_id,
        created_at=NOW,
        by=Actor("key_1", "CI", "192.0.2.1"),
        action=AuditAction.WEBHOOK_CHANGED,
        subject_id=webhook_id,
    )


def a_bulk_job(number: int = 1, action: BulkAction = BulkAction.RESEND, **values: Any) -> BulkJob:
    """Return a new job for all deliveries of a team that there are."""
    wanted = values.pop("wanted", DeliveryFilter("team_1"))
    choice = Choice("team_1", action, wanted=wanted, seqs=values.pop("seqs", None), through_seq=10**9, asked_at=NOW)
    given = {"seq": number, "status": BulkJobStatus.RUNNING, "total": 5, "done": 0, "after_seq": 0, "ended_at": None}
    who = {"key_id": "key_1", "key_name": "CI", "created_at": NOW, "by_id": choice.seqs is not None}
    return BulkJob(id=f"job_{number}", choice=choice, **{**given, **who, **values})


def a_portal_link(number: int = 1, **values: Any) -> PortalLink:
    """Return a link that is valid for a minute."""
    given = {"team_id": "team_1", "created_at": NOW, "expires_at": NOW + 60_000, **values}
    return PortalLink(id=f"plk_{number}", **given)


def a_pending_address(number: int = 1, **values: Any) -> PendingAddress:
    """Return an address of a team that is asked for a minute."""
    given = {"team_id": "team_1", "email": "new@example.com", "created_at": NOW, "expires_at": NOW + 60_000, **values}
    return PendingAddress(mail_id=f"mail_asking_{number}", **given)


def an_event_type(name: str, schema: bytes | None = b"{}") -> EventType:
    """Return an event type to be added."""
    return EventType(name, "What it means", category="custom", example={"a": 1}, schema=schema)


def a_team(number: int = 1, emails: tuple[str, ...] = ("ops@example.com",)) -> Team:
    return Team(f"team_{number}", f"Team {number}", emails, NOW)


def a_webhook(
    number: int = 1, team: int = 1, events: tuple[str, ...] = ("*",), *, about: About = About.EVENTS
) -> Webhook:
    url = f"https://{number}.example/hook"
    return Webhook(
        id=f"wh_{number}",
        team_id=f"team_{team}",
        name="CRM",
        url=url,
        secret=None,
        events=events,
        created_at=NOW,
        updated_at=NOW,
        about=about,
    )


def an_event(number: int, team: int = 1, event_type: str = "a.b", at: int = NOW) -> Event:
    return Event(f"evt_{number}", f"team_{team}", event_type, at, b"{}", at)


def accepting(number: int, *webhook_ids: str, key: str | None = None, **event: Any) -> AcceptEvents:
    deliveries = tuple((f"dlv_{number}_{webhook_id}", webhook_id) for webhook_id in webhook_ids)
    idempotency = None if key is None else Idempotency("operator", key, b"same")
    matched = MatchedEvent(an_event(number, **event), deliveries)
    return AcceptEvents((matched,), idempotency, NOW)


def recording(work: Work, number: int, *, status: int = 200, failures: int = 0, webhook: int = 1) -> RecordAttempt:
    """Return what an actor commits after attempt `number` was answered so."""
    kind = OutcomeKind.DELIVERED if status < 300 else OutcomeKind.HTTP_ERROR
    error = None if status < 300 else f"the receiver answered {status}"
    outcome = Outcome(kind, 12, status, (("server", "x"),), b"body", error)
    verdict = judge(Policy(), number, outcome, failures)
    return RecordAttempt(
        webhook_id=f"wh_{webhook}",
        team_id="team_1",
        delivery_id=work.delivery_id,
        seq=work.seq,
        attempt=Attempt(number, NOW, outcome),
        failures_before=failures,
        verdict=verdict,
        next_attempt_at=None if verdict.retry_in_s is None else NOW + 1000,
        charge=2,
        now=NOW + number,
        entry_id=f"crd_{work.seq}_{number}",
        mail_id=f"mail_{work.seq}_{number}",
    )


def found(database: AnyDatabase) -> None:
    """Make a team and a webhook."""
    run(database, CreateTeam(a_team()))
    run(database, CreateWebhook(a_webhook()))


def accept(database: AnyDatabase, numbers: Sequence[int], *webhook_ids: str) -> list[Work]:
    """Accept events for these webhooks; return the work, in order."""
    answers = run_batch(database, [accepting(number, *(webhook_ids or ("wh_1",))) for number in numbers])
    return [work for answer in answers for _, work in answer.work]


def count(database: AnyDatabase, table: str, where: str = "1 = 1") -> int:
    with database.reading.connect() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table} WHERE {where}").scalar_one())
