"""Writes: links that sign a customer in."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select, update

from daemon.domain.errors import LinkOver
from daemon.store.commands import AddPortalLink, RevokePortalLink, UsePortalLink
from daemon.store.schema import portal_links
from daemon.store.sequences import Sequences

# More than can arrive in between: each new link adds one.
_OVER_AT_ONCE = 100


def add_portal_links(connection: Connection, commands: Sequence[AddPortalLink], _sequences: Sequences) -> list[None]:
    """Keep new links, and delete a bounded number of those that were over long ago."""
    for command in commands:
        over = select(portal_links.c.seq).where(portal_links.c.expires_at < command.forget_before)
        oldest = over.order_by(portal_links.c.expires_at).limit(_OVER_AT_ONCE)
        connection.execute(delete(portal_links).where(portal_links.c.seq.in_(oldest)))
        link = command.link
        row = {
            "id": link.id,
            "team_id": link.team_id,
            "digest": command.digest,
            "created_at": link.created_at,
            "expires_at": link.expires_at,
            "read_only": link.read_only,
            "once": link.once,
            "return_url": link.return_url,
        }
        connection.execute(insert(portal_links).values(row))
    return [None] * len(commands)


def use_portal_links(
    connection: Connection, commands: Sequence[UsePortalLink], _sequences: Sequences
) -> list[bool | LinkOver]:
    """Record sign-ins: LinkOver for a link that no longer signs in, whichever node used it meanwhile."""
    return [_use(connection, command) for command in commands]


def _use(connection: Connection, command: UsePortalLink) -> bool | LinkOver:
    never, again = portal_links.c.used_at.is_(None), portal_links.c.once.is_(False)
    for is_first, may_be_used in ((True, never), (False, again)):
        still_signs_in = (
            portal_links.c.id == command.link_id,
            portal_links.c.revoked_at.is_(None),
            portal_links.c.expires_at > command.now,
            may_be_used,
        )
        done = connection.execute(update(portal_links).where(*still_signs_in).values(used_at=command.now))
        if done.rowcount:
            return is_first
    return LinkOver("the link was used, was revoked or has expired")


def revoke_portal_links(
    connection: Connection, commands: Sequence[RevokePortalLink], _sequences: Sequences
) -> list[bool]:
    """Revoke links; one already revoked keeps its revocation time."""
    return [_revoke(connection, command) for command in commands]


def _revoke(connection: Connection, command: RevokePortalLink) -> bool:
    still_valid = portal_links.c.id == command.link_id, portal_links.c.revoked_at.is_(None)
    return connection.execute(update(portal_links).where(*still_valid).values(revoked_at=command.now)).rowcount > 0
