"""Writes: API keys."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, insert, update

from daemon.store.commands import AddKey, RevokeKey, SaveKeyUses
from daemon.store.schema import api_keys
from daemon.store.sequences import Sequences


def add_keys(connection: Connection, commands: Sequence[AddKey], _sequences: Sequences) -> list[None]:
    """Insert new API keys."""
    rows = [
        {
            "id": command.key.id,
            "team_id": command.key.team_id,
            "name": command.key.name,
            "digest": command.digest,
            "created_at": command.key.created_at,
            "role": command.key.role,
        }
        for command in commands
    ]
    connection.execute(insert(api_keys), rows)
    return [None] * len(commands)


def revoke_keys(connection: Connection, commands: Sequence[RevokeKey], _sequences: Sequences) -> list[bool]:
    """Revoke API keys; one already revoked keeps its revocation time."""
    return [_revoke(connection, command) for command in commands]


def _revoke(connection: Connection, command: RevokeKey) -> bool:
    still_valid = api_keys.c.id == command.key_id, api_keys.c.revoked_at.is_(None)
    return connection.execute(update(api_keys).where(*still_valid).values(revoked_at=command.now)).rowcount > 0


def save_key_uses(connection: Connection, commands: Sequence[SaveKeyUses], _sequences: Sequences) -> list[None]:
    """Keep when keys were last used; ids that are no stored key's, as the operator's, are left out."""
    # In one order: other nodes do the same.
    used = sorted((key_id, at) for command in commands for key_id, at in command.used_at.items())
    if used:
        connection.execute(_SAVE_USE, [{"key_id": key_id, "used_at": at} for key_id, at in used])
    return [None] * len(commands)


_SAVE_USE = (
    update(api_keys)
    .where(
        api_keys.c.id == bindparam("key_id"),
        func.coalesce(api_keys.c.last_used_at, 0) < bindparam("used_at"),
    )
    .values(last_used_at=bindparam("used_at"))
)
