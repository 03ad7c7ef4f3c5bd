"""The audit trail of a team: who changed what, when and from where (contract "Audit trail")."""

from typing import Any

from pydantic import Field

from api.http.auth import own_team
from api.http.cursors import page_of, position_of
from api.http.errors import Code, not_found
from api.http.route import ADMINS, Call, Route
from api.http.wire import Output, OutputTime, Page, PageQuery, format_time
from daemon.domain import audit
from daemon.domain.audit import AuditAction
from daemon.store.reads import api_reads


class AuditEntry(Output):
    """One change, and who made it."""

    id: str = Field(description="The entry's id.")
    team_id: str = Field(description="Whose team it concerns.")
    action: AuditAction = Field(description="What was done.")
    subject_id: str = Field(description="To which team, webhook, key, delivery, ledger entry or portal link.")
    key_id: str = Field(
        description="With which key or portal link: its id, or `operator`, or `daemon` where nobody asked."
    )
    key_name: str = Field(description="What that key was called then.")
    address: str | None = Field(description="From which address; null if it is not known.")
    changes: dict[str, Any] = Field(description="What became of each field: `from` and `to`. Secrets are not shown.")
    created_at: OutputTime = Field(description="When.")


class AuditQuery(PageQuery):
    """Which entries to list."""

    subject_id: str | None = Field(None, description="Only those about this webhook, key, delivery or ledger entry.")


async def list_audit_entries(call: Call, team_id: str, query: AuditQuery) -> Page[AuditEntry]:
    """Answer with a team's audit trail, newest first."""
    reader = call.handles.reader
    if await reader.fetch(api_reads.get_team, own_team(call, team_id)) is None:
        raise not_found("team")
    found = await reader.fetch(
        api_reads.list_audit_entries, team_id, query.limit, position_of(call, query.cursor), query.subject_id
    )
    return page_of(call, [_show(entry) for entry in found.items], found.next_cursor)


def _show(entry: audit.AuditEntry) -> AuditEntry:
    return AuditEntry(
        id=entry.id,
        team_id=entry.team_id,
        action=entry.action,
        subject_id=entry.subject_id,
        key_id=entry.by.key_id,
        key_name=entry.by.key_name,
        address=entry.by.address,
        changes=dict(entry.changes),
        created_at=format_time(entry.created_at),
    )


ROUTES = (
    Route(
        "GET",
        "/v1/teams/{team_id}/audit",
        list_audit_entries,
        tag="Teams and keys",
        summary="See who changed what",
        description="Newest first. At least the last 10,000 changes are kept.",
        query=AuditQuery,
        only_for=ADMINS,
        answer=Page[AuditEntry],
        example={
            "items": [
                {
                    "id": "aud_01k0a3bq5w5y7a9c1e3g5j7m9p",
                    "teamId": "team_acme",
                    "action": "webhook.changed",
                    "subjectId": "wh_01jzy8h2k4n6q8s0v2x4z6b8d0",
                    "keyId": "key_01k0a3bq5w5y7a9c1e3g5j7m9p",
                    "keyName": "CRM sync",
                    "address": "203.0.113.7",
                    "changes": {"active": {"from": True, "to": False}},
                    "createdAt": "2025-07-15T10:30:00.000Z",
                }
            ],
            "nextCursor": None,
        },
        refusals=(Code.NOT_FOUND,),
    ),
)
