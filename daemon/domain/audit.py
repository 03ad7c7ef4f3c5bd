"""Who changed what: the entries of the audit trail (contract "Audit trail")."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct, field


class AuditAction(StrEnum):
    """What was done, to a subject of this kind."""

    TEAM_CREATED = "team.created"
    TEAM_CHANGED = "team.changed"
    ADDRESS_ADDED = "team.address_added"
    ADDRESS_CONFIRMED = "team.address_confirmed"
    ADDRESS_REMOVED = "team.address_removed"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_PAUSED = "webhook.paused"
    WEBHOOK_RESUMED = "webhook.resumed"
    WEBHOOK_DELETED = "webhook.deleted"
    SECRET_ROTATED = "webhook.secret_rotated"  # noqa: S105  # the name of an action, not a secret
    SIGNATURE_SWITCHED = "webhook.signature_switched"
    WEBHOOK_RECOVERED = "webhook.recovered"
    EVENT_ERASED = "event.erased"
    DELIVERY_RESENT = "delivery.resent"
    BULK_JOB_CREATED = "bulk_job.created"
    BULK_JOB_CANCELLED = "bulk_job.cancelled"
    CREDITS_GRANTED = "credits.granted"
    PORTAL_LINK_CREATED = "portal_link.created"
    PORTAL_LINK_USED = "portal_link.used"
    PORTAL_LINK_REVOKED = "portal_link.revoked"


class Actor(Struct, frozen=True):
    """Who does something: with which key or portal link, from which address (None if unknown)."""

    key_id: str
    key_name: str
    address: str | None = None


THE_DAEMON = Actor("daemon", "The daemon")


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One change. `changes` has for each field that became another `{"from", "to"}`; secrets are not in it."""

    id: str
    team_id: str
    created_at: int
    by: Actor
    action: AuditAction
    subject_id: str
    changes: Mapping[str, Any] = field(default_factory=dict)
