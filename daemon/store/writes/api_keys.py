"""Writes: API keys."""

from collections.abc import Sequence

from sqlalchemy import Connection, insert, update

from daemon.store.commands import AddKey, RevokeKey
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
        }
        for command in commands
    ]
    connection.execute(insert(api_keys), rows)
    return [None] * len(commands)


def revoke_keys(connection: Connection, commands: Sequence[RevokeKey], _sequences: Sequences) -> list[None]:
    """Revoke API keys; one already revoked keeps its revocation time."""
    for command in commands:
        still_valid = (api_keys.c.id == command.key_id) & api_keys.c.revoked_at.is_(None)
        connection.execute(update(api_keys).where(still_valid).values(revoked_at=command.now))
    return [None] * len(commands)
