"""Says in the log in what this node differs from the others that live."""

from collections.abc import Awaitable, Callable, Sequence

from structlog.typing import FilteringBoundLogger

from daemon.domain.errors import StoreUnavailable
from daemon.store.node_lives import NodeLife


async def log_differences(
    lives: Callable[[], Awaitable[Sequence[NodeLife]]], mine: int, log: FilteringBoundLogger
) -> None:
    """Warn of each setting of the life `mine` that most of the others have another value of."""
    try:
        found = await lives()
    except StoreUnavailable:  # people see it on the System page, when the database is back
        return
    for life in found:
        if life.number == mine:
            for difference in life.differences:
                log.warning("node_settings_differ", reason=difference)
