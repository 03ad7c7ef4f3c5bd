"""What one sending of a mail brought, recipient by recipient."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from daemon.domain.model import Mail


@dataclass(frozen=True, slots=True)
class SendResult:
    """Each recipient of the mail is in exactly one of the three: taken, refused for good, or to be tried again.

    `error` is one sentence about those that were not taken, None when all were.
    """

    taken: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()
    error: str | None = None


# Sends one mail to those who still wait for it. Never raises for what a mail server or a disk may do.
Send = Callable[[Mail], Awaitable[SendResult]]
