"""Answers that come in pieces, for as long as somebody reads them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

SendPiece = Callable[[bytes], Awaitable[None]]


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Streamed:
    """A response (200) of unknown length: `run` sends chunk after chunk until it returns.

    What `run` raises breaks the response off. `end` is called once it is over, also if it never began.
    """

    headers: tuple[tuple[str, str], ...]
    run: Callable[[SendPiece], Awaitable[None]]
    end: Callable[[], None] = _nothing
