"""The API's reads: run them with `Reader.fetch`. Pagination is by `seq`, never by offset."""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Table, select

from daemon.domain.audit import AuditEntry
from daemon.domain.model import ApiKey, Attempt, CreditEntry, Delivery, Event, Team, Webhook
from daemon.domain.portal_links import PortalLink
from daemon.domain.team_addresses import PendingAddress
from daemon.domain.webhook_options import options_from_text
from daemon.store import address_rows, event_rows, rows
from daemon.store.reads.pagination import LOOK_AT, Choice, Page, bounded_page, page_of
from daemon.store.schema import (
    address_confirmations,
    api_keys,
    attempts,
    audit_entries,
    credit_entries,
    deliveries,
    events,
    portal_links,
    teams,
    webhooks,
)

Item = TypeVar("Item")


def get_team(connection: Connection, team_id: str) -> Team | None:
    """Return a team by its id."""
    return _one(connection, teams, its_id=team_id, value=rows.team)


def list_teams(connection: Connection, limit: int, before: int | None = None) -> Page[Team]:
    """Return teams, newest first."""
    return page_of(connection, select(teams), table=teams, limit=limit, before=before, value=rows.team)


def get_balance(connection: Connection, team_id: str) -> int:
    """Return a team's credits, 0 for an unknown team."""
    return int(connection.execute(select(teams.c.balance).where(teams.c.id == team_id)).scalar() or 0)


def get_key(connection: Connection, key_id: str) -> ApiKey | None:
    """Return an API key, revoked or not, by its id."""
    return _one(connection, api_keys, its_id=key_id, value=rows.api_key)


def list_keys(connection: Connection, team_id: str, limit: int, before: int | None = None) -> Page[ApiKey]:
    """Return a team's API keys, newest first."""
    of_team = select(api_keys).where(api_keys.c.team_id == team_id)
    return page_of(connection, of_team, table=api_keys, limit=limit, before=before, value=rows.api_key)


def pending_addresses(connection: Connection, team_id: str, now: int) -> list[PendingAddress]:
    """Return the addresses that a team asked and that may still confirm, newest first."""
    asked = address_confirmations.c
    of_team = select(address_confirmations).where(
        asked.team_id == team_id, asked.ended_at.is_(None), asked.expires_at > now
    )
    return [address_rows.pending_address(row) for row in connection.execute(of_team.order_by(asked.seq.desc()))]


def pending_address_of_token(connection: Connection, digest: bytes) -> PendingAddress | None:
    """Return the address whose mail has the token with this digest, also if it can no longer confirm."""
    row = connection.execute(select(address_confirmations).where(address_confirmations.c.digest == digest)).first()
    return None if row is None else address_rows.pending_address(row)


def get_portal_link(connection: Connection, link_id: str) -> PortalLink | None:
    """Return a portal link, valid or not, by its id."""
    return _one(connection, portal_links, its_id=link_id, value=rows.portal_link)


def portal_link_of_token(connection: Connection, digest: bytes) -> PortalLink | None:
    """Return the portal link whose token has this digest."""
    row = connection.execute(select(portal_links).where(portal_links.c.digest == digest)).first()
    return None if row is None else rows.portal_link(row)


def list_portal_links(connection: Connection, team_id: str, limit: int, before: int | None = None) -> Page[PortalLink]:
    """Return a team's portal links, newest first."""
    of_team = select(portal_links).where(portal_links.c.team_id == team_id)
    return page_of(connection, of_team, table=portal_links, limit=limit, before=before, value=rows.portal_link)


def live_portal_links(
    connection: Connection, team_id: str, now: int, limit: int, before: int | None = None
) -> Page[PortalLink]:
    """Return those of a team's portal links that are neither revoked nor over, newest first."""
    are_live = portal_links.c.revoked_at.is_(None), portal_links.c.expires_at > now
    live = Choice(portal_links, by_index=(portal_links.c.team_id == team_id,), by_row=are_live)
    return bounded_page(connection, live, limit=limit, before=before, value=rows.portal_link, look_at=LOOK_AT)


def list_audit_entries(
    connection: Connection, team_id: str, limit: int, before: int | None = None, subject_id: str | None = None
) -> Page[AuditEntry]:
    """Return what was changed of a team, newest first; with `subject_id` only of that webhook, key or delivery.

    A page examines all that is kept of a team, at most (`daemon.store.writes.audit`).
    """
    query = select(audit_entries).where(audit_entries.c.team_id == team_id)
    if subject_id is not None:
        query = query.where(audit_entries.c.subject_id == subject_id)
    return page_of(connection, query, table=audit_entries, limit=limit, before=before, value=rows.audit_entry)


def get_webhook(connection: Connection, webhook_id: str) -> Webhook | None:
    """Return a webhook that is not deleted, by its id."""
    found = _one(connection, webhooks, its_id=webhook_id, value=rows.webhook)
    return None if found is None or found.deleted_at is not None else found


def paused_among(connection: Connection, ids: Collection[str]) -> dict[str, int | None]:
    """Return which of these webhooks are paused, each with when it resumes by itself (None: it does not)."""
    query = select(webhooks.c.id, webhooks.c.resumes_at).where(webhooks.c.id.in_(ids), webhooks.c.paused_at > 0)
    return {row.id: rows.right("webhooks", "resumes_at", row.resumes_at) for row in connection.execute(query)}


def paced_among(connection: Connection, ids: Collection[str]) -> frozenset[str]:
    """Return which of these webhooks take so many deliveries a second at most."""
    query = select(webhooks.c.id, webhooks.c.options).where(webhooks.c.id.in_(ids), webhooks.c.options.is_not(None))
    found = (
        (row.id, options_from_text(rows.right("webhooks", "options", row.options))) for row in connection.execute(query)
    )
    return frozenset(webhook_id for webhook_id, options in found if options.max_per_second is not None)


def live_among(connection: Connection, ids: Collection[str]) -> set[str]:
    """Return which of these webhooks are live listeners."""
    return set(connection.execute(select(webhooks.c.id).where(webhooks.c.id.in_(ids), webhooks.c.live)).scalars())


def list_webhooks(connection: Connection, team_id: str | None, limit: int, before: int | None = None) -> Page[Webhook]:
    """Return the webhooks of a team, or of all, newest first."""
    query = select(webhooks).where(webhooks.c.deleted_at.is_(None))
    if team_id is not None:
        query = query.where(webhooks.c.team_id == team_id)
    return page_of(connection, query, table=webhooks, limit=limit, before=before, value=rows.webhook)


def get_event(connection: Connection, event_id: str) -> Event | None:
    """Return an event by its id."""
    return _one(connection, events, its_id=event_id, value=event_rows.event)


def get_delivery(connection: Connection, delivery_id: str) -> Delivery | None:
    """Return a delivery by its id."""
    return _one(connection, deliveries, its_id=delivery_id, value=rows.delivery)


def get_attempts(connection: Connection, delivery_id: str) -> list[Attempt]:
    """Return a delivery's attempts, in order."""
    query = (
        select(attempts)
        .join_from(attempts, deliveries, attempts.c.delivery_seq == deliveries.c.seq)
        .where(deliveries.c.id == delivery_id)
        .order_by(attempts.c.number)
    )
    return [rows.attempt(row) for row in connection.execute(query)]


def list_credit_entries(
    connection: Connection, team_id: str, limit: int, before: int | None = None
) -> Page[CreditEntry]:
    """Return a team's ledger, newest first."""
    of_team = select(credit_entries).where(credit_entries.c.team_id == team_id)
    return page_of(connection, of_team, table=credit_entries, limit=limit, before=before, value=rows.credit_entry)


def _one(connection: Connection, table: Table, its_id: str, value: Callable[[Row[Any]], Item]) -> Item | None:
    row = connection.execute(select(table).where(table.c.id == its_id)).first()
    return None if row is None else value(row)
