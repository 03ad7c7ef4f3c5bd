"""Writes: an event is erased, its body at once, what was answered to its deliveries in pages (contract "Erasing")."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, or_, update

from daemon.store.erasure_commands import EraseAnswers, EraseEvent
from daemon.store.rows import to_json
from daemon.store.schema import attempts, erasures, events
from daemon.store.sequences import Sequences

_NO_HEADERS = to_json([])


def erase_events(connection: Connection, commands: Sequence[EraseEvent], _sequences: Sequences) -> list[bool]:
    """Erase events: from here on nothing of them is queued again."""
    return [_erase(connection, command) for command in commands]


def _erase(connection: Connection, command: EraseEvent) -> bool:
    this = events.c.id == command.event_id, events.c.erased_at.is_(None)
    if not connection.execute(update(events).where(*this).values(body=b"", erased_at=command.now)).rowcount:
        return False
    row = {"event_id": command.event_id, "team_id": command.team_id, "after_seq": 0}
    connection.execute(insert(erasures).values(row))
    return True


def erase_answers(connection: Connection, commands: Sequence[EraseAnswers], _sequences: Sequences) -> list[None]:
    """Erase what was answered to deliveries."""
    for command in commands:
        _erase_answers(connection, command)
    return [None] * len(commands)


def _erase_answers(connection: Connection, command: EraseAnswers) -> None:
    of_these = attempts.c.delivery_seq.in_(command.seqs)
    has_answer = or_(attempts.c.headers != _NO_HEADERS, attempts.c.body != b"")
    connection.execute(update(attempts).where(of_these, has_answer).values(headers=_NO_HEADERS, body=b""))
    this = erasures.c.event_id == command.event_id
    if command.next_after_seq is None:
        connection.execute(delete(erasures).where(this))
    else:
        connection.execute(update(erasures).where(this).values(after_seq=command.next_after_seq))
