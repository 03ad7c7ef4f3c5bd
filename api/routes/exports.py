"""Deliveries, attempts and the ledger as files (contract "HTTP API")."""

from collections.abc import Sequence
from functools import partial

from pydantic import Field

from api.http.auth import is_still_valid, one_team
from api.http.errors import Code
from api.http.json_body import NDJSON
from api.http.route import Call, Route
from api.http.streamed import Streamed
from api.http.wire import Output, OutputTime, format_time
from api.limits.sizes import MAX_PAGE
from api.routes.credits import TeamQuery, show_entry
from api.routes.deliveries import WhichDeliveries, show_deliveries, wanted_deliveries
from api.routes.export_streams import Caller, ExportFormat, IsValid, Part, export
from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.model import OutcomeKind
from daemon.store.reads import api_reads, delivery_reads
from daemon.store.reads.delivery_reads import ListedAttempt

_FORMAT = "How to write it: one JSON object a line, or CSV (RFC 4180)."
_DELIVERY_COLUMNS = (
    *("id", "eventId", "webhookId", "teamId", "event", "status", "test", "attemptsMade", "createdAt", "completedAt"),
    *("cancelReason", "waitingForCredits", "origin.kind", "origin.deliveryId"),
    *("lastAttempt.outcome", "lastAttempt.status", "lastAttempt.durationMs", "lastAttempt.error"),
)
_ATTEMPT_COLUMNS = (
    *("deliveryId", "eventId", "webhookId", "teamId", "event", "number", "startedAt"),
    *("durationMs", "outcome", "status", "error"),
)
_ENTRY_COLUMNS = ("id", "teamId", "createdAt", "amount", "balanceAfter", "deliveryId", "note")


class DeliveryExport(WhichDeliveries):
    """Which deliveries, and how to write them."""

    format: ExportFormat = Field(ExportFormat.NDJSON, description=_FORMAT, strict=False)


class LedgerExport(TeamQuery):
    """Whose ledger, and how to write it."""

    format: ExportFormat = Field(ExportFormat.NDJSON, description=_FORMAT, strict=False)


class ExportedAttempt(Output):
    """One attempt, without the response's headers and body."""

    delivery_id: str = Field(description="The delivery that it belongs to.")
    event_id: str = Field(description="The event that was delivered.")
    webhook_id: str = Field(description="The webhook that it went to.")
    team_id: str = Field(description="Whose they are.")
    event: str = Field(description="The event's type.")
    number: int = Field(description="From 1.")
    started_at: OutputTime = Field(description="When it began.")
    duration_ms: int = Field(description="Milliseconds until the response arrived or the attempt failed.")
    outcome: OutcomeKind = Field(description="What happened on the wire.")
    status: int | None = Field(description="The HTTP status, if one arrived.")
    error: str | None = Field(description="One sentence: why it failed.")


async def export_deliveries(call: Call, query: DeliveryExport) -> Streamed:
    """Answer with all deliveries that match, newest first."""
    wanted, is_valid = await wanted_deliveries(call, query), partial(_is_valid, call)
    return await deliveries_as_file(call, wanted, form=query.format, is_valid=is_valid)


async def export_attempts(call: Call, query: DeliveryExport) -> Streamed:
    """Answer with all attempts of the deliveries that match, newest delivery first."""
    wanted, is_valid = await wanted_deliveries(call, query), partial(_is_valid, call)
    return await attempts_as_file(call, wanted, form=query.format, is_valid=is_valid)


async def export_ledger(call: Call, query: LedgerExport) -> Streamed:
    """Answer with a team's whole ledger, newest first."""
    team_id, is_valid = await one_team(call, query.team_id, "query.teamId"), partial(_is_valid, call)
    return await ledger_as_file(call, team_id, form=query.format, is_valid=is_valid)


async def _is_valid(call: Call) -> bool:
    return is_still_valid(call)


async def deliveries_as_file(call: Call, wanted: DeliveryFilter, *, form: ExportFormat, is_valid: IsValid) -> Streamed:
    """Return these deliveries as a file, as long as the caller `is_valid()`."""

    async def read(before: int | None) -> Part:
        found = await call.handles.reader.fetch(delivery_reads.list_deliveries, wanted, MAX_PAGE, before)
        return Part(await show_deliveries(call, found.items), found.next_cursor, found.looked_at)

    return await export(read, _caller(call, is_valid), _DELIVERY_COLUMNS, form=form, name="deliveries")


async def attempts_as_file(call: Call, wanted: DeliveryFilter, *, form: ExportFormat, is_valid: IsValid) -> Streamed:
    """Return the attempts of these deliveries as a file, as long as the caller `is_valid()`."""

    async def read(before: int | None) -> Part:
        found = await call.handles.reader.fetch(delivery_reads.list_deliveries, wanted, MAX_PAGE, before)
        attempts: Sequence[ListedAttempt] = await call.handles.reader.fetch(delivery_reads.attempts_of, found.items)
        return Part([_show(attempt) for attempt in attempts], found.next_cursor, found.looked_at + len(attempts))

    return await export(read, _caller(call, is_valid), _ATTEMPT_COLUMNS, form=form, name="attempts")


async def ledger_as_file(call: Call, team_id: str, *, form: ExportFormat, is_valid: IsValid) -> Streamed:
    """Return the team's ledger as a file, as long as the caller `is_valid()`."""

    async def read(before: int | None) -> Part:
        found = await call.handles.reader.fetch(api_reads.list_credit_entries, team_id, MAX_PAGE, before)
        return Part([show_entry(entry) for entry in found.items], found.next_cursor, found.looked_at)

    return await export(read, _caller(call, is_valid), _ENTRY_COLUMNS, form=form, name="ledger")


def _caller(call: Call, is_valid: IsValid) -> Caller:
    return Caller(call.exports, call.principal.key_id, is_valid=is_valid, charge=call.charge)


def _show(listed: ListedAttempt) -> ExportedAttempt:
    delivery = listed.delivery
    return ExportedAttempt(
        delivery_id=delivery.id,
        event_id=delivery.event_id,
        webhook_id=delivery.webhook_id,
        team_id=delivery.team_id,
        event=delivery.event_type,
        number=listed.number,
        started_at=format_time(listed.started_at),
        duration_ms=listed.duration_ms,
        outcome=listed.outcome,
        status=listed.status,
        error=listed.error,
    )


_NOTE = (
    " NDJSON has each as in its list; in CSV (RFC 4180) a text that a spreadsheet would take for a formula begins with"
    " an apostrophe. An answer that breaks off is not whole; it breaks off when its key is revoked. A key may have"
    " 3 exports at once, and all keys 20: one more is refused with 503."
)

ROUTES = tuple(
    Route(
        "GET",
        path,
        handler,
        tag=tag,
        summary=summary,
        description=description + _NOTE,
        query=query,
        answer=str,
        media_type=NDJSON,
        example=example,
        other_examples={"text/csv": csv},
        refusals=(Code.NOT_FOUND, Code.OVERLOADED),
    )
    for path, handler, tag, summary, description, query, example, csv in (
        (
            "/v1/deliveries/export",
            export_deliveries,
            "Deliveries",
            "Export deliveries",
            "All that match, newest first, streamed.",
            DeliveryExport,
            '{"id": "dlv_01k0a3bq5u1w3y5a7d9f1h3k5n", "status": "succeeded"}\n',
            "id,status\r\ndlv_01k0a3bq5u1w3y5a7d9f1h3k5n,succeeded\r\n",
        ),
        (
            "/v1/deliveries/attempts/export",
            export_attempts,
            "Deliveries",
            "Export attempts",
            "Those of all deliveries that match, the newest delivery's first, streamed, without what was answered.",
            DeliveryExport,
            '{"deliveryId": "dlv_01k0a3bq5u1w3y5a7d9f1h3k5n", "number": 1, "status": 503}\n',
            "deliveryId,number,status\r\ndlv_01k0a3bq5u1w3y5a7d9f1h3k5n,1,503\r\n",
        ),
        (
            "/v1/credits/entries/export",
            export_ledger,
            "Credits",
            "Export the ledger",
            "All of it, newest first, streamed.",
            LedgerExport,
            '{"id": "crd_01k0a3bq5x6z8b0d2f4h6k8n0q", "amount": -2}\n',
            "id,amount\r\ncrd_01k0a3bq5x6z8b0d2f4h6k8n0q,-2\r\n",
        ),
    )
)
