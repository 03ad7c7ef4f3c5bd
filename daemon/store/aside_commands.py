"""What can be written about deliveries that wait aside: commands, as values."""

from daemon.store.commands import Command


class SetAside(Command[None], frozen=True):
    """Have a pending delivery wait aside until `due_at`, counted from `now`: it holds no other one of its webhook.

    Does nothing if it is over, or aside already.
    """

    seq: int
    webhook_id: str
    due_at: int
    now: int


class TakeBack(Command[None], frozen=True):
    """Have those of these deliveries that wait aside take their places in the order of their webhooks again."""

    seqs: tuple[int, ...]
