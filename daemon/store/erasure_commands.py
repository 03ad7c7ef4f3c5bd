"""The commands that erase an event (contract "Erasing")."""

from daemon.store.commands import Command


class EraseEvent(Command[bool], frozen=True):
    """Empty an event's body for good, and keep that what its receivers answered is to follow.

    Answers False if there is no such event, or it was erased before.
    """

    event_id: str
    team_id: str
    now: int


class EraseAnswers(Command[None], frozen=True):
    """Empty what receivers answered to these deliveries, and move the erasure on behind `next_after_seq` (None: it is
    over). It may be repeated.
    """

    event_id: str
    seqs: tuple[int, ...]
    next_after_seq: int | None
