"""Maintenance commands: delete old rows, give back space, record times."""

from msgspec import Struct

from daemon.store.commands import Command


class Pruned(Struct, frozen=True):
    """How many events and deliveries were deleted, and after which event to continue (None: finished)."""

    events: int
    deliveries: int
    next_after_seq: int | None


class PruneIdempotencyKeys(Command[int], frozen=True):
    """Forget keys first used before this time, at most `limit` of them, oldest first. Answers how many."""

    before: int
    limit: int


class PruneWebhookHours(Command[int], frozen=True):
    """Forget what was counted of hours that began before this time, oldest first.

    At most `limit` rows of ends and as many of errors. Answers how many of those of which there were more.
    """

    before: int
    limit: int


class PruneEvents(Command[Pruned], frozen=True):
    """Delete events accepted before this time, with their deliveries and attempts: of the next `limit` behind
    `after_seq` those of which no delivery is pending, or was made since. Of an event with very many deliveries, the
    oldest go first. Answers Pruned.
    """

    before: int
    after_seq: int
    limit: int


class KeepTimeBlock(Command[None], frozen=True):
    """Record that the rows of a table from `first_seq` to `last_seq` have times from `earliest` to `latest`."""

    table_name: str
    first_seq: int
    last_seq: int
    earliest: int
    latest: int


class ReadTrustedTime(Command[int | None], frozen=True):
    """Read the last time that was plausible, in milliseconds; None when nothing is known."""


class SaveTrustedTime(Command[None], frozen=True):
    """Keep the last time that was plausible, in milliseconds."""

    time: int


class PruneMails(Command[int | None], frozen=True):
    """Delete mails made before this time that were sent, of the next `limit` behind `after_seq`.

    Answers after which mail to continue, None if finished.
    """

    before: int
    after_seq: int
    limit: int


class ReleaseSpace(Command[bool], frozen=True):
    """Give `limit` free pages back to the file system, if more are free than `leave_pages` and a `leave_part` of all.

    Answers whether there may be more to give back.
    """

    leave_pages: int
    leave_part: int
    limit: int
