"""Answers that come in pieces, for as long as somebody reads them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

SendPiece = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Streamed:
    """A response (200) of unknown length: `run` sends chunk after chunk until it returns."""

    headers: tuple[tuple[str, str], ...]
    run: Callable[[SendPiece], Awaitable[None]]
