"""Who changed what of a team."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson
from quart import Response

from api.console.pages.lists import cursor, position
from api.console.session.page_request import PageRequest
from daemon.domain.audit import AuditAction, AuditEntry
from daemon.store.reads import api_reads

_PAGE = 50
_LONGEST = 120
_WORDS: Mapping[AuditAction, str] = MappingProxyType(
    {
        AuditAction.TEAM_CREATED: "made the team",
        AuditAction.TEAM_CHANGED: "changed the team",
        AuditAction.ADDRESS_ADDED: "asked an address",
        AuditAction.ADDRESS_CONFIRMED: "confirmed an address",
        AuditAction.ADDRESS_REMOVED: "removed an address",
        AuditAction.KEY_CREATED: "made a key",
        AuditAction.KEY_REVOKED: "revoked a key",
        AuditAction.WEBHOOK_CREATED: "registered a webhook",
        AuditAction.WEBHOOK_CHANGED: "changed a webhook",
        AuditAction.WEBHOOK_PAUSED: "paused a webhook",
        AuditAction.WEBHOOK_RESUMED: "resumed a webhook",
        AuditAction.WEBHOOK_DELETED: "deleted a webhook",
        AuditAction.SECRET_ROTATED: "gave a webhook a new secret",
        AuditAction.SIGNATURE_SWITCHED: "switched a webhook to its new secret",
        AuditAction.WEBHOOK_RECOVERED: "recovered what a webhook missed",
        AuditAction.DELIVERY_RESENT: "sent a delivery again",
        AuditAction.BULK_JOB_CREATED: "asked for a bulk job",
        AuditAction.BULK_JOB_CANCELLED: "cancelled a bulk job",
        AuditAction.CREDITS_GRANTED: "granted credits",
        AuditAction.PORTAL_LINK_CREATED: "made a portal link",
        AuditAction.PORTAL_LINK_USED: "signed in for the first time",
        AuditAction.PORTAL_LINK_REVOKED: "revoked a portal link",
    }
)


async def show_audit_trail(request: PageRequest) -> Response:
    """Show the trail, newest first."""
    found = await request.handles.reader.fetch(
        api_reads.list_audit_entries, request.team_id, _PAGE, position(request, "audit")
    )
    following = cursor(request, "audit", found.next_cursor)
    return await request.page(
        "audit.html",
        entries=found.items,
        words=_WORDS,
        changes={entry.id: _changes(entry) for entry in found.items},
        path_of={entry.id: _path(request, entry) for entry in found.items},
        next_page=request.path("audit", cursor=following) if following else "",
        first_page=request.path("audit") if request.query("cursor") else "",
    )


def _path(request: PageRequest, entry: AuditEntry) -> str:
    """Return the page of an entry's subject, "" if it has none."""
    parts = {"webhook": "webhooks", "delivery": "deliveries", "bulk_job": "bulk-jobs"}
    kind = parts.get(entry.action.partition(".")[0])
    return "" if kind is None or entry.action is AuditAction.WEBHOOK_DELETED else request.path(kind, entry.subject_id)


def _changes(entry: AuditEntry) -> list[tuple[str, str, str]]:
    """Return each field with what it was ("" if that is not told) and what it became, as text."""
    return [(name, *_both(value)) for name, value in entry.changes.items()]


def _both(value: Any) -> tuple[str, str]:
    if isinstance(value, dict) and value.keys() == {"from", "to"}:
        return _text(value["from"]), _text(value["to"])
    return "", _text(value)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
