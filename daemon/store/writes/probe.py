"""Writes: a probe that leaves nothing behind, to check that the database is writable."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert

from daemon.store.commands import ProbeWrite
from daemon.store.schema import idempotency_keys
from daemon.store.sequences import Sequences

# No submission has this scope: no team's id is empty.
_SCOPE = ""


def probe_write(connection: Connection, commands: Sequence[ProbeWrite], _sequences: Sequences) -> list[None]:
    """Keep a row and delete it again, once for all commands in the batch: COMMIT still writes the pages."""
    row = {"scope": _SCOPE, "key": "", "fingerprint": b"", "receipts": "[]", "created_at": 0}
    connection.execute(insert(idempotency_keys).values(row))
    connection.execute(delete(idempotency_keys).where(idempotency_keys.c.scope == _SCOPE))
    return [None] * len(commands)
