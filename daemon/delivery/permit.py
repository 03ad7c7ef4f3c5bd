"""Whether attempts may begin now: always, if one process alone uses the database."""

from typing import Protocol


class Permit(Protocol):
    """Asked before each attempt; it may run out at any time."""

    @property
    def valid(self) -> bool:
        """Whether an attempt may begin now."""

    async def wait_until_valid(self) -> None:
        """Wait until attempts may begin."""


class _Always:
    @property
    def valid(self) -> bool:
        return True

    async def wait_until_valid(self) -> None:
        pass


ALWAYS: Permit = _Always()
