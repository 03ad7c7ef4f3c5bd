"""The result of sending a mail, by recipient."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from daemon.domain.mails import Mail


@dataclass(frozen=True, slots=True)
class SendResult:
    """Each recipient of the mail is in exactly one of the three: taken, permanently refused, or deferred.

    `error` is one sentence about those that were not taken, None if all were.
    """

    taken: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()
    error: str | None = None


# Sends one mail to its remaining recipients. Never raises for anything that a mail server or a disk may do.
Send = Callable[[Mail], Awaitable[SendResult]]
