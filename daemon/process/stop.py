"""From SIGTERM to the stop: load balancers learn of it first (contract "Command line", `api.shutdown_delay_s`)."""

import trio


class Stop:
    """A stop that is announced, so that `/readyz` says so, and happens `delay_s` seconds later: then `now` is set."""

    def __init__(self, delay_s: float) -> None:
        self.announced = False
        self.now = trio.Event()
        self._delay_s = delay_s

    def announce(self) -> None:
        """Announce the stop. Without a delay, or if it was announced before, it happens at once."""
        if self.announced or not self._delay_s:
            self.now.set()
        self.announced = True

    async def happen(self) -> None:
        """Have an announced stop happen after its delay; return then."""
        with trio.move_on_after(self._delay_s):
            await self.now.wait()
        self.now.set()
