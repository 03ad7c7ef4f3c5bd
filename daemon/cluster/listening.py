"""Hears what other nodes call out, and notices when it no longer does (architecture "Nodes")."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import trio
from structlog.typing import FilteringBoundLogger

from daemon.cluster.caller import items_of
from daemon.domain.errors import StoreUnavailable
from daemon.store import channels
from daemon.store.nodes import Listener

Heard = Callable[[list[str]], object]

_ECHO_EVERY_S = 1.0
# A connection that brings no echo for so long is dead, whatever it says.
_DEAF_AFTER_S = 2.5
_RECONNECT_S = (0.1, 0.2, 0.5, 1, 2)


@dataclass(slots=True)
class Echo:
    """When this node heard its own notice last, by Trio's clock."""

    heard_at: float = field(default_factory=trio.current_time)

    @property
    def age_s(self) -> float:
        """For how many seconds it has not."""
        return trio.current_time() - self.heard_at


class Listening:
    """`heard` has, by channel, what to call with the items of a notice; `missed()` is called whenever some may have
    been lost: then everything is to be looked at.
    """

    def __init__(
        self,
        listen: Callable[[], AbstractAsyncContextManager[Listener]],
        heard: Mapping[str, Heard],
        missed: Callable[[], object],
        *,
        echo: Echo,
        log: FilteringBoundLogger,
    ) -> None:
        self._listen = listen
        self._heard = heard
        self._missed = missed
        self._echo = echo
        self._log = log
        self._echo_at = trio.current_time()

    @property
    def silent_s(self) -> float:
        """For how many seconds nothing was heard, not even our own echo."""
        return trio.current_time() - self._echo_at

    async def run(self) -> None:
        """Listen until cancelled, on one connection after another."""
        failures = 0
        while True:
            try:
                async with self._listen() as listener:
                    self._echo_at = trio.current_time()
                    self._missed()
                    failures = 0
                    await self._hear(listener)
            except StoreUnavailable as error:
                self._log.warning("listening_failed", error=str(error))
            await trio.sleep(_RECONNECT_S[min(failures, len(_RECONNECT_S) - 1)])
            failures += 1

    async def _hear(self, listener: Listener) -> None:
        """Pass on notices until the connection fails. Raises StoreUnavailable."""
        next_echo_at = trio.current_time()
        while self.silent_s < _DEAF_AFTER_S:
            if trio.current_time() >= next_echo_at:
                listener.call_echo()
                next_echo_at = trio.current_time() + _ECHO_EVERY_S
            for notice in await listener.receive(max(0, next_echo_at - trio.current_time())):
                self._pass_on(notice.channel, notice.payload)
            await trio.lowlevel.checkpoint()
        raise StoreUnavailable(
            "the database tells nothing: use a direct address as [store] notify_url, without a pooler"
        )

    def _pass_on(self, channel: str, payload: str) -> None:
        if channel == channels.ECHO:
            self._echo_at = self._echo.heard_at = trio.current_time()
        elif (heard := self._heard.get(channel)) is not None:
            heard(items_of(payload))
